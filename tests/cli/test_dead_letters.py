"""`dskity dead-letters` against a running instance."""

from __future__ import annotations

import base64
import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from tests.cli.conftest import parsed
from tests.runtime.house import write_module
from tests.runtime.program import Program, running
from tests.servers import HOST, mosquitto

if TYPE_CHECKING:
    from tests.cli.conftest import Dskity

Fail: TypeAlias = Callable[..., list[dict[str, Any]]]
READY = "modules started"
TILL = """
    from pathlib import Path

    from dskity.handlers import Reject
    from dskity.modules import Module, ModuleMeta, on

    class Till(Module):
        meta = ModuleMeta("till")

        @on("shop/{till}/sale")
        async def sell(self, sale: bytes) -> None:
            if not Path("paper").exists():
                raise Reject("no paper")
            with Path("sold").open("ab") as sold:
                sold.write(sale + b";")
"""


@pytest.fixture
def instance(folder: Path) -> Iterator[Program]:
    """A runtime in a process of its own, whose handler fails while there is no file `paper`."""
    write_module(folder, "till.py", TILL)
    with mosquitto() as server:
        Path("settings.yaml").write_text(
            f"common: {{mqtt: {{url: mqtt://{HOST}:{server.port}}}}}\n"
            f"host: {HOST}\nport: 0\ngrpc: {{host: {HOST}, port: 0}}\n"
        )
        with running("dskity", "run", folder=folder) as program:
            program.wait_for(READY)
            yield program


@pytest.fixture
def fail(dskity: Dskity, instance: Program) -> Fail:
    """Sell these at tills 0, 1, …; the list of all dead letters, as soon as they are in it."""

    def sell(*sales: str) -> list[dict[str, Any]]:
        before = len(listed(dskity))
        for till, sale in enumerate(sales):
            assert dskity("pub", f"shop/{till}/sale", sale).exit_code == 0
        return listed(dskity, before + len(sales))

    return sell


def listed(dskity: Dskity, count: int | None = None) -> list[dict[str, Any]]:
    deadline = time.monotonic() + 10
    while True:
        letters: list[dict[str, Any]] = parsed(dskity("dead-letters", "list", "--json"))[
            "dead_letters"
        ]
        if count is None or len(letters) == count:
            return letters
        assert time.monotonic() < deadline, f"{len(letters)} dead letters, not {count}"


def sold(text: str) -> bool:
    """Whether that is sold within a while."""
    deadline = time.monotonic() + 10
    while not Path("sold").exists() or Path("sold").read_text() != text:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_what_failed_is_listed_with_its_reason(dskity: Dskity, fail: Fail) -> None:
    """As a table; filters and a limit choose, and standard error tells how many there are."""
    first, second = fail("7", "8")
    result = dskity("dead-letters", "list")
    assert result.exit_code == 0
    assert f"\n{first['id']} " in result.stdout
    assert result.stderr == "2 of 2 dead letters\n"
    result = dskity("dead-letters", "list", "-n", "1")
    assert result.stderr == f"1 of 2 dead letters; the next: --after {first['id']}\n"
    answer = parsed(dskity("dead-letters", "list", "--after", first["id"], "--json"))
    assert answer == {"dead_letters": [second], "next": None, "total": 2}
    assert (second["handler"], second["error"]) == ("till.Till.sell", "Reject: no paper")
    for words in (("--topic", "shop/1/{what}"), ("--topic", "shop/1/#", "--handler", "till")):
        chosen = parsed(dskity("dead-letters", "list", *words, "--json"))
        assert chosen["dead_letters"] == [second]
    result = dskity("dead-letters", "list", "--handler", "other")
    assert (result.stdout, result.stderr) == ("", "0 of 0 dead letters\n")


def test_one_is_shown_with_headers_and_payload(dskity: Dskity, fail: Fail, folder: Path) -> None:
    """Bytes that are no text are escaped, in JSON in base64."""
    (folder / "blob").write_bytes(b"\xff7")
    [letter] = fail("@blob")
    result = dskity("dead-letters", "show", letter["id"])
    assert result.exit_code == 0
    assert result.stdout.startswith(f"id: {letter['id']}\ntopic: shop/0/sale\nsize: 2\n")
    assert "dskity-error: Reject: no paper\n" in result.stdout
    assert result.stdout.endswith("\n\n\\xff7\n")
    shown = parsed(dskity("dead-letters", "show", letter["id"], "--json"))
    assert base64.b64decode(shown["payload_base64"]) == b"\xff7"


def test_a_replayed_message_is_handled_or_comes_back_with_its_count(
    dskity: Dskity, fail: Fail, folder: Path
) -> None:
    """By id, by topic, or all of them."""
    letters = fail("7", "8", "9")
    result = dskity("dead-letters", "replay", letters[0]["id"])
    assert (result.exit_code, result.stdout) == (0, "1 dead letter replayed\n")
    assert sorted(letter["replays"] for letter in listed(dskity, 3)) == [0, 0, 1]
    (folder / "paper").touch()
    result = dskity("dead-letters", "replay", "--topic", "shop/1/#", "--json")
    assert parsed(result) == {"replayed": 1, "failed": []}
    assert sold("8;")
    assert dskity("dead-letters", "replay", "--all").stdout == "2 dead letters replayed\n"
    assert listed(dskity, 0) == []
    assert sold("8;9;7;") or sold("8;7;9;")


def test_dropping_asks_first(dskity: Dskity, fail: Fail) -> None:
    """Unless told not to."""
    letters = fail("7", "8", "9")
    result = dskity("dead-letters", "drop", "--all", stdin=b"n\n")
    assert result.exit_code == 1
    assert "Drop 3 dead letters for good?" in result.stderr
    result = dskity("dead-letters", "drop", letters[0]["id"], stdin=b"y\n")
    assert result.exit_code == 0
    assert result.stdout.endswith("1 dead letter dropped\n")
    result = dskity("dead-letters", "drop", "--handler", "till", "--yes", "--json")
    assert parsed(result) == {"dropped": 2}
    assert listed(dskity) == []


def test_they_are_there_after_a_restart(
    dskity: Dskity, fail: Fail, instance: Program, folder: Path
) -> None:
    """Also after `kill -9`."""
    letters = fail("7")
    instance.tell(signal.SIGKILL)
    instance.ended()
    with running("dskity", "run", folder=folder) as program:
        program.wait_for(READY)
        assert listed(dskity) == letters


@pytest.mark.usefixtures("instance")
def test_an_unknown_id_is_an_error(dskity: Dskity) -> None:
    """One line, or JSON."""
    for verb in (("show",), ("replay",), ("drop", "--yes")):
        result = dskity("dead-letters", *verb, "x")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == "error: the responder answered: no dead letter 'x'\n"
    result = dskity("dead-letters", "show", "x", "--json")
    assert json.loads(result.stderr)["error"] == "RemoteError"


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("show",),
        ("replay",),
        ("replay", "x", "--all"),
        ("drop", "x", "--topic", "a"),
        ("drop", "--yes"),
        ("list", "--limit", "0"),
        ("list", "--topic", "a/#/b"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2(dskity: Dskity, args: tuple[str, ...]) -> None:
    """Nothing is asked of anybody."""
    assert dskity("dead-letters", *args).exit_code == 2


@pytest.mark.parametrize("verb", ["list", "show", "replay", "drop"])
def test_every_verb_has_help_and_json(dskity: Dskity, verb: str) -> None:
    result = dskity("dead-letters", verb, "-h")
    assert result.exit_code == 0
    assert "--json" in result.stdout
