"""`dskity list`: the state in which each module would start."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.cli.conftest import parsed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Dskity

Write = Callable[..., None]


def test_enabled_disabled_and_broken(dskity: Dskity, folder: Path, module: Write) -> None:
    """A broken one with the reason; a disabled one is not imported."""
    module("vents")
    module("paused", before="raise RuntimeError('imported')")
    module("torn", before="import no_such_package")
    (folder / "settings.yaml").write_text("modules: {paused: {enabled: false}}")
    rows = parsed(dskity("list", "--json"))
    assert [(row["name"], row["state"], row["source"]) for row in rows] == [
        ("paused", "disabled", "modules/paused.py"),
        ("torn", "broken", "modules/torn.py"),
        ("vents", "enabled", "modules/vents.py"),
    ]
    assert "'no_such_package' is not installed" in rows[1]["reason"]
    text = dskity("list").stdout
    assert all(
        word in text for word in ("vents", "enabled", "disabled", "broken", "modules/paused.py")
    )


def test_settings_that_a_module_refuses_make_it_broken(
    dskity: Dskity, folder: Path, module: Write
) -> None:
    """As a missing dependency does."""
    module("vents")
    source = (folder / "modules" / "vents.py").read_text()
    (folder / "modules" / "vents.py").write_text(
        f"import pydantic\nclass Own(pydantic.BaseModel):\n    limit: int\n{source}"
        "    def additional_settings_model(self): return Own\n"
    )
    module("needy")
    source = (folder / "modules" / "needy.py").read_text()
    (folder / "modules" / "needy.py").write_text(
        source.replace("base_path='/needy'", "base_path='', depends_on=('kv', 'vent')")
    )
    needy, vents = parsed(dskity("list", "--json"))
    assert vents["state"] == needy["state"] == "broken"
    assert "modules.vents.additional_settings.limit" in vents["reason"]
    assert "'vent' was not found" in needy["reason"]
    assert "did you mean 'vents'?" in needy["reason"]


def test_no_modules(dskity: Dskity) -> None:
    """Nothing is no failure, and the way on is named."""
    assert parsed(dskity("list", "--json")) == []
    result = dskity("list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "dskity init" in result.stderr


def test_a_search_path_that_was_set_must_be_there(dskity: Dskity) -> None:
    """Unlike the default one."""
    result = dskity("list", "--set", "modules_search_paths=absent")
    assert result.exit_code == 1
    assert "modules_search_paths: 'absent'" in result.stderr
