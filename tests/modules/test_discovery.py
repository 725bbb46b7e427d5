from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dskity.bus.errors import InvalidSettings
from dskity.modules.lifecycle.discovered import DiscoveredModule
from dskity.modules.lifecycle.discovery import discover
from tests.modules.conftest import Folder

HEALTH = """
    from dskity.modules import ModuleMeta

    class Health:
        meta = ModuleMeta(name="health", base_path="/health")

        def register(self, clients, config) -> None:
            pass
"""


def named(name: str) -> str:
    """A module's source with another name."""
    return HEALTH.replace('name="health"', f'name="{name}"')


def only(found: list[DiscoveredModule]) -> DiscoveredModule:
    """The one that was found."""
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize("file", ["health/module.py", "health/__init__.py", "health.py"])
def test_a_class_of_the_contract_is_found(folder: Folder, file: str) -> None:
    """In `<name>/module.py`, in a package, and in a flat file; no base class, no `get_module`."""
    folder.write(file, HEALTH)
    health = only(discover([folder.path]))
    assert health.error is None
    assert (health.name, health.source) == ("health", str(folder.path / file))
    assert health.module.meta.base_path == "/health"


def test_get_module_is_honoured(folder: Folder) -> None:
    """It may return an instance or a class; classes beside it are then left alone."""
    folder.write("health/module.py", f"{HEALTH}\n    def get_module():\n        return Health()\n")
    folder.write("other.py", f"{named('other')}\n    def get_module():\n        return Health\n")
    assert [(f.name, f.error) for f in discover([folder.path])] == [
        ("health", None),
        ("other", None),
    ]


def test_several_classes_are_several_modules(folder: Folder) -> None:
    """Imported classes, private ones, and bases that others complete are not modules."""
    folder.write("other.py", named("other"))
    folder.write(
        "pair.py",
        """
        from dskity.modules import Module, ModuleMeta
        from .other import Health

        class Sensor(Module):
            unit = "K"

        class _Hidden(Sensor):
            meta = ModuleMeta("hidden")

        class Left(Sensor):
            meta = ModuleMeta("left")

        class Right(Sensor):
            meta = ModuleMeta("right")
        """,
    )
    assert [f.name for f in discover([folder.path])] == ["other", "left", "right"]


def test_meta_is_any_object_with_name_and_base_path(folder: Folder) -> None:
    """Where the class comes from does not matter, nor whether it is set in `__init__`."""
    folder.write(
        "own.py",
        """
        class Meta:
            name, base_path = "own", "/own"

        class Own:
            meta = Meta

            def register(self, clients, config): ...

        class Late:
            def __init__(self):
                self.meta = type("M", (), {"name": "late", "base_path": ""})()

            def register(self, clients, config): ...
        """,
    )
    assert [(f.name, f.error) for f in discover([folder.path])] == [("own", None), ("late", None)]


def test_relative_imports_work(folder: Folder) -> None:
    """Inside a package, also one without `__init__.py`, and to a sibling of the search path."""
    folder.write("shared/__init__.py", "NAME = 'health'\n")
    folder.write("health/names.py", "from ..shared import NAME\n")
    folder.write(
        "health/module.py", "from .names import NAME\n" + named("x").replace('"x"', "NAME")
    )
    assert only(discover([folder.path])).name == "health"


def test_helpers_and_hidden_files_are_not_modules(folder: Folder) -> None:
    """Neither is a class that merely has a `register` of its own."""
    folder.write("helpers.py", "class Table:\n    def register(self, key): ...\n")
    folder.write("conftest.py", "raise SystemExit\n")
    folder.write("test_health.py", "raise SystemExit\n")
    folder.write("_private.py", "raise SystemExit\n")
    folder.write("templates/page.html", "<p>")
    assert discover([folder.path]) == []


def test_on_functions_that_nobody_calls_are_a_fault(folder: Folder) -> None:
    """A file of them is meant to be a module; `_hooks.py` is left to who imports it."""
    lone = """
        from dskity.modules import on

        @on("a/{b}")
        async def heard(b: str) -> None: ...
    """
    folder.write("hooks.py", lone)
    folder.write("_hooks.py", lone)
    hooks = only(discover([folder.path]))
    assert hooks.name == "hooks"
    assert "make them methods of a class Module" in str(hooks.error)


def test_nothing_is_shadowed(folder: Folder) -> None:
    """A module called `json` is loaded under a private name, and `json` stays what it is."""
    folder.write("json.py", named("json"))
    before = sys.modules["json"]
    found = only(discover([folder.path]))
    assert sys.modules["json"] is before
    assert type(found.module).__module__.startswith("_dskity_modules_")


def test_two_folders_with_equal_names_do_not_meet(folder: Folder, tmp_path: Path) -> None:
    """Each search path is a package of its own."""
    second = Folder(tmp_path / "second")
    folder.write("health.py", HEALTH)
    second.write("health.py", named("other"))
    assert [f.name for f in discover([folder.path, second.path])] == ["health", "other"]


def test_a_dotted_package_is_searched(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its modules are imported under their own names."""
    Folder(tmp_path / "acme_dskity_test").write("parts/health.py", HEALTH)
    monkeypatch.syspath_prepend(tmp_path)
    found = only(discover(["acme_dskity_test.parts"]))
    assert type(found.module).__module__ == "acme_dskity_test.parts.health"


def test_our_own_folder_is_not_scanned(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a checkout of DSkity the default search path names the built-ins."""
    monkeypatch.chdir(Path(__file__).parents[2])
    assert discover(["modules"]) == []
    assert discover(["dskity.modules"]) == []


def test_a_disabled_file_is_listed_but_not_imported(folder: Folder) -> None:
    """Whatever is wrong in it."""
    folder.write("health.py", "raise SystemExit\n")
    health = only(discover([folder.path], disabled={"health"}))
    assert (health.name, health.module, health.error) == ("health", None, None)


def test_a_missing_default_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asked for it."""
    monkeypatch.chdir(tmp_path)
    assert discover(["modules"], explicit=False) == []


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("no_such_folder", "'no_such_folder' is neither a directory"),
        ("no_such.package", "'no_such.package' is neither a directory"),
        ("./no/such", "there is no directory"),
        ("json.decoder", "'json.decoder' is one file: write the package"),
    ],
)
def test_a_missing_search_path_is_an_error_that_names_it(path: str, says: str) -> None:
    """Where it was written into the settings."""
    with pytest.raises(InvalidSettings, match="modules_search_paths") as caught:
        discover([path])
    assert says in str(caught.value)


def test_a_broken_parent_package_says_what_broke(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there, but its import fails."""
    Folder(tmp_path).write("acme_broken_test/__init__.py", "1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InvalidSettings, match="ZeroDivisionError"):
        discover(["acme_broken_test.parts"])
