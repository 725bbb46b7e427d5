"""`dskity validate`: settings and modules, checked without starting."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.cli.conftest import parsed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Dskity

Write = Callable[..., None]


def test_valid(dskity: Dskity, module: Write) -> None:
    """Exit code 0 and one line."""
    module("vents")
    result = dskity("validate")
    assert (result.exit_code, result.stdout) == (0, "valid: 1 module, 0 faults, 0 warnings\n")
    assert parsed(dskity("validate", "--json")) == {
        "valid": True,
        "modules": [
            {"name": "vents", "state": "enabled", "source": "modules/vents.py", "reason": ""}
        ],
        "faults": [],
        "warnings": [],
    }


def test_a_broken_module_is_a_fault(dskity: Dskity, module: Write) -> None:
    """Named with file and line."""
    module("torn", before="def (")
    result = dskity("validate")
    assert (result.exit_code, result.stdout) == (1, "not valid: 1 module, 1 fault, 0 warnings\n")
    assert "fault: module torn: modules/torn.py:1:" in result.stderr


def test_faults_in_the_settings_are_a_report_too(dskity: Dskity, folder: Path) -> None:
    """All of them, in the form that was asked for."""
    (folder / "settings.yaml").write_text("prot: 1\nkv: {store: paper}\n")
    result = dskity("validate", "--json")
    assert result.exit_code == 1
    report = parsed(result)
    assert report["valid"] is False
    assert "2 faults in the settings" in report["faults"][0]


def test_a_name_that_is_no_module_is_a_warning(dskity: Dskity, folder: Path, module: Write) -> None:
    """A fault with `--strict`; names of our own modules are known."""
    module("vents")
    (folder / "settings.yaml").write_text("modules: {vnets: {}, commands: {}}")
    result = dskity("validate")
    assert result.exit_code == 0
    assert result.stderr == (
        "warning: modules.vnets: no module of this name was found; did you mean vents?\n"
    )
    assert dskity("validate", "--strict").exit_code == 1


def test_a_key_of_a_module_of_ours_in_the_wrong_place_is_a_warning(
    dskity: Dskity, folder: Path, module: Write
) -> None:
    """Below `modules` it can be turned off, and that is all."""
    module("vents")
    (folder / "settings.yaml").write_text("modules: {kv: {store: redis}, ops: {enabled: false}}")
    (line,) = dskity("validate").stderr.splitlines()
    assert line.startswith("warning: modules.kv.store: nothing reads it; of a module of ours only")


def test_no_modules_at_all_is_a_warning(dskity: Dskity) -> None:
    """The built-in ones run all the same."""
    assert parsed(dskity("validate", "--json"))["warnings"] == ["no modules in modules"]


def test_a_webhook_s_topic_that_nothing_fills_is_a_fault(dskity: Dskity, folder: Path) -> None:
    """As the start would say it."""
    hook = '{preset: github, secret: s, topic: "a/{evnt}"}'
    (folder / "settings.yaml").write_text(f"webhooks: {{x: {hook}}}\n")
    result = dskity("validate")
    assert result.exit_code == 1
    assert "fault: webhooks.x.topic: 'a/{evnt}': {evnt} is never filled" in result.stderr
