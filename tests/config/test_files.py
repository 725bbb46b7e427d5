"""Settings files: what is wrong with one is said with file, line, column and the fix."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dskity.bus.errors import InvalidSettings
from dskity.config import DSkitySettings, load_settings

if TYPE_CHECKING:
    from tests.config.conftest import Write


@pytest.mark.parametrize(
    ("text", "place", "fix"),
    [
        ("port: 1\n\tname: x\n", "line 2, column 1", "spaces instead of tabs"),
        ("name: a: b\n", "line 1, column 8", "quote the value"),
        ("kv:\n  store: redis\n ring: {}\n", "line 3, column 2", "align the keys"),
        ("name: @box\n", "line 1, column 7", "quote the value"),
        ("name: 'box\n", "line 2, column 1", "quotes"),
        ("port: [1, 2\n", "line 2, column 1", "check the"),
    ],
)
def test_invalid_yaml(write: Write, text: str, place: str, fix: str) -> None:
    """The place is the parser's, the fix is ours."""
    write(text)
    with pytest.raises(InvalidSettings) as caught:
        DSkitySettings()
    assert str(caught.value).startswith(f"settings.yaml, {place}: ")
    assert fix in str(caught.value)


def test_invalid_toml(write: Write) -> None:
    """With line and column."""
    write('name = "a"\nport = \n', "settings.toml")
    with pytest.raises(InvalidSettings, match=r"settings.toml is not TOML: .*line 2, column 8"):
        DSkitySettings()


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n", "kv:\nmodules:\nwebhooks:\n"])
def test_an_empty_file_or_section_is_the_defaults(write: Write, text: str) -> None:
    """A heading with nothing below it is no fault."""
    write(text)
    assert DSkitySettings().masked() == DSkitySettings.isolated().masked()


def test_a_module_with_nothing_below_it_is_enabled(write: Write) -> None:
    """As is one that is not mentioned."""
    write("modules:\n  vents:\n")
    assert DSkitySettings().modules["vents"].enabled is True


@pytest.mark.parametrize(("text", "kind"), [("- a\n- b\n", "seq"), ("hello\n", "str")])
def test_a_file_that_holds_no_keys(write: Write, text: str, kind: str) -> None:
    """A list or a text."""
    write(text)
    with pytest.raises(
        InvalidSettings, match=rf"settings\.yaml holds a {kind}: write `key: value`"
    ):
        DSkitySettings()


def test_a_key_that_is_there_twice(write: Write) -> None:
    """YAML itself would take the last."""
    write("kv:\n  store: redis\n  store: inmemory\n")
    with pytest.raises(InvalidSettings, match=r"settings.yaml, line 3: store is defined twice"):
        DSkitySettings()


def test_a_key_that_is_not_text(write: Write) -> None:
    """YAML reads `on` as true and digits as a number."""
    write("modules:\n  on: {enabled: false}\n")
    with pytest.raises(InvalidSettings, match=r"line 2: the key on is not text: put it in quotes"):
        DSkitySettings()


def test_merge_keys_are_followed(write: Write) -> None:
    """Anchors keep a file short."""
    write("modules:\n  a: &pool {database: {pool_size: 3}}\n  b: {<<: *pool, enabled: false}\n")
    modules = DSkitySettings().modules
    assert (modules.b.database.pool_size, modules.b.enabled) == (3, False)


def test_a_file_that_is_not_utf_8(folder: Path) -> None:
    """Say so rather than read it wrongly."""
    (folder / "settings.yaml").write_bytes(b"name: K\xe4se\n")
    with pytest.raises(InvalidSettings, match=r"settings\.yaml is not UTF-8"):
        DSkitySettings()


def test_a_name_that_tells_no_format(write: Write) -> None:
    """The ending chooses the parser."""
    with pytest.raises(InvalidSettings, match=r"settings\.conf: name it \.yaml"):
        load_settings(write("a=1", "settings.conf"))


def test_a_folder_is_no_settings_file(folder: Path) -> None:
    """The system's reason is passed on."""
    (folder / "box.yaml").mkdir()
    with pytest.raises(InvalidSettings, match=r"box\.yaml cannot be read: Is a directory"):
        load_settings(Path("box.yaml"))
