"""`dskity validate`: settings and modules, checked without starting."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

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
    (folder / "settings.yaml").write_text("prot: 1\nkv: {store: sqlite}\n")
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
    assert line.startswith("warning: modules.kv.store: it has no effect; only enabled can be set")


def test_no_modules_at_all_is_a_warning(dskity: Dskity) -> None:
    """The built-in ones run all the same."""
    assert parsed(dskity("validate", "--json"))["warnings"] == [
        "no modules in modules; `dskity init` creates one"
    ]


def test_a_webhook_s_topic_that_nothing_fills_is_a_fault(dskity: Dskity, folder: Path) -> None:
    """As the start would say it."""
    hook = '{preset: github, secret: s, topic: "a/{evnt}"}'
    (folder / "settings.yaml").write_text(f"webhooks: {{x: {hook}}}\n")
    result = dskity("validate")
    assert result.exit_code == 1
    assert "fault: webhooks.x.topic: 'a/{evnt}': {evnt} is never filled" in result.stderr


HEAD = "from dskity.modules import Dedupe, KV, Message, Module, ModuleMeta, on\n"
ROUTES = {
    "two payloads": ("@on('a/{b}')", "self, x, b: str, c: int", "name a capture {c} in the filter"),
    "a type of nobody": ("@on('a')", "self, x: type('Odd', (), {})", "pydantic can validate"),
    "keyword-only": ("@on('a')", "self, x, *, y", "'y' is keyword-only"),
    "an unknown connection": ("@on('a', connection='clod')", "self, x", "no connection 'clod'"),
    "an impossible group": ("@on('a', group='b/c')", "self, x", "group 'b/c'"),
    "an unknown order": ("@on('a/{b}', order_by='c')", "self, x", "order_by='c'"),
    "too long a window": ("@on('a', dedupe=Dedupe('x', window=1e9))", "self, x", "are kept for"),
    "replies": ("@on('dskity/reply/#')", "self, x", "reserved for replies"),
}
DECLARATIONS = {
    "a bad filter": ("@on('a/#/b')", "self, x", "'#' must be the last level"),
    "an unknown word": ("@on('a', retires=3)", "self, x", "unknown option 'retires'"),
}


@pytest.mark.parametrize("case", ROUTES | DECLARATIONS)
def test_a_handler_that_cannot_be_bound_is_a_fault_with_its_line(
    dskity: Dskity, folder: Path, case: str
) -> None:
    """As a start would find it; `list` says the same."""
    mark, parameters, says = (ROUTES | DECLARATIONS)[case]
    _write(folder, f"    {mark}\n    async def handle({parameters}) -> None: ...\n")
    result = dskity("validate")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert says in line
    assert "modules/vents.py:4" in line
    (row,) = parsed(dskity("list", "--json"))
    assert (row["state"], f"fault: module {row['name']}: {row['reason']}") == ("broken", line)


def test_handlers_that_a_start_can_bind_are_none(dskity: Dskity, folder: Path) -> None:
    """Whatever is injected, kept on the disk or recognised; nothing is made on the disk."""
    _write(
        folder,
        "    @on('a', ack='stored', group='g')\n"
        "    async def stored(self, kv: KV, message: Message) -> None: ...\n"
        "    @on('b/{c}', dedupe=Dedupe('header:id'), order_by='c', connection='default')\n"
        "    def once(self, c: int, x: dict[str, int]) -> str: return ''\n",
    )
    result = dskity("validate")
    assert (result.exit_code, result.stderr) == (0, "")
    assert not (folder / ".dskity").exists()


def test_keys_that_a_module_does_not_read_are_warnings(dskity: Dskity, folder: Path) -> None:
    """Misspelt, one level too high, or both."""
    _write(
        folder,
        "    additional_settings_model = Own\n",
        before="from pydantic import BaseModel\nclass Own(BaseModel):\n    limit: int = 5\n",
    )
    (folder / "settings.yaml").write_text(
        "modules: {vents: {limit: 3, enabld: true, additional_settings: {limt: 4}}}"
    )
    result = dskity("validate")
    assert result.exit_code == 0
    assert result.stderr.replace("warning: modules.vents.", "").splitlines() == [
        "limit: did you mean modules.vents.additional_settings.limit?",
        "enabld: did you mean modules.vents.enabled?",
        "additional_settings.limt: Own has no such field; did you mean limit?",
    ]


def test_a_hook_under_another_name_is_a_warning(dskity: Dskity, folder: Path) -> None:
    """It would never be called."""
    _write(folder, "    async def on_start(self, clients) -> None: ...\n")
    assert dskity("validate").stderr == (
        "warning: module vents: modules/vents.py:4: `on_start` is never called; "
        "did you mean `on_startup`?\n"
    )


def _write(folder: Path, body: str, before: str = "") -> None:
    (folder / "modules").mkdir()
    (folder / "modules" / "vents.py").write_text(
        f"{before}{HEAD}class Vents(Module):\n    meta = ModuleMeta('vents')\n{body}"
    )


def test_a_middleware_that_is_none_is_a_fault(dskity: Dskity, folder: Path) -> None:
    """Named with what to write, before anything starts."""
    (folder / "modules").mkdir()
    (folder / "modules" / "vents.py").write_text(
        "from dskity import Module, ModuleMeta\n"
        "class Vents(Module):\n"
        "    meta = ModuleMeta('vents')\n"
        "    middleware = [print]\n"
    )
    result = dskity("validate")
    assert result.exit_code == 1
    assert "module vents: Vents.middleware: print is not an async function" in result.stderr


def test_a_key_value_store_that_nobody_has_is_a_fault(
    dskity: Dskity, folder: Path, module: Write
) -> None:
    """It may be that of a module, which has its name."""
    module("shelf")
    (folder / "settings.yaml").write_text("kv: {store: shelv}\n")
    result = dskity("validate")
    assert result.exit_code == 1
    assert "kv.store 'shelv': no such store, and no module of that name: did you mean shelf?" in (
        result.stderr
    )
    (folder / "settings.yaml").write_text("kv: {store: shelf}\n")
    assert dskity("validate").exit_code == 0
