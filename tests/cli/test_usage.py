"""Verbs, exit codes, and errors in one clear line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dskity.bus.errors import InvalidSettings

if TYPE_CHECKING:
    from tests.cli.conftest import Dskity

VERBS = ("run", "demo", "init", "list", "validate", "pub", "sub", "request", "doctor")


def test_help_names_every_verb(dskity: Dskity) -> None:
    """And asks nothing of the machine."""
    result = dskity("--help")
    assert result.exit_code == 0
    assert all(verb in result.stdout for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_and_json(dskity: Dskity, verb: str) -> None:
    """`-h` does, too."""
    result = dskity(verb, "-h")
    assert result.exit_code == 0
    assert "--json" in result.stdout


def test_help_is_quick() -> None:
    """What a verb needs is imported when it runs."""
    code = (
        "import sys, dskity.cli.app\n"
        "heavy = {'pydantic', 'fastapi', 'grpc', 'aiomqtt', 'amqtt', 'redis', 'yaml'}\n"
        "print(' '.join(heavy & set(sys.modules)), end='')"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_version(dskity: Dskity) -> None:
    """The installed one."""
    assert dskity("--version").stdout.startswith("dskity ")


@pytest.mark.parametrize(
    "args",
    [
        ("tpyo",),
        ("--no-such-option",),
        ("run", "--port", "many"),
        ("init",),
        ("list", "--set", "kv.store"),
        ("pub",),
        ("pub", "a/#", "x"),
        ("pub", "$SYS/a", "x"),
        ("pub", "a", "x", "--qos", "3"),
        ("pub", "a", "x", "--header", "=b"),
        ("pub", "a", "@absent.bin"),
        ("sub", "a/#/b"),
        ("sub", "a", "--count", "0"),
        ("request", "+"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2(dskity: Dskity, args: tuple[str, ...]) -> None:
    """Before anything is opened, with nothing on standard output."""
    result = dskity(*args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr


def test_an_error_of_ours_is_one_line_and_exit_code_1(dskity: Dskity) -> None:
    """What is wrong and the fix, no traceback."""
    result = dskity("list", "--set", "kv.stroe=redis")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "error: kv.stroe: no such key; did you mean store? (command line, kv.stroe)\n"
    )


def test_an_error_is_json_where_json_is_asked_for(dskity: Dskity) -> None:
    """On standard error, so that standard output stays what it promises."""
    result = dskity("list", "--json", "--config", "absent.yaml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert json.loads(result.stderr) == {
        "error": "InvalidSettings",
        "detail": "settings file absent.yaml does not exist: check --config",
    }


@pytest.mark.parametrize(
    "args", [("--debug", "list"), ("list", "--debug"), ("list", "-c", "absent.yaml", "--debug")]
)
def test_debug_lets_the_error_through(dskity: Dskity, args: tuple[str, ...]) -> None:
    """Wherever it stands."""
    with pytest.raises(InvalidSettings, match="absent"):
        dskity(*args, *(() if "-c" in args else ("-c", "absent.yaml")))


@pytest.mark.parametrize("args", [(), ("--port", "1"), ("--set", "prot=1")])
def test_without_a_verb_it_is_run(dskity: Dskity, folder: Path, args: tuple[str, ...]) -> None:
    """Which reads the settings first; here they are wrong."""
    (folder / "settings.yaml").write_text("prot: 1")
    result = dskity(*args)
    assert result.exit_code == 1
    assert "prot: no such key; did you mean port?" in result.stderr
