"""Modules of installed packages: the entry-point group `dskity.modules`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dskity.modules.lifecycle.discovered import DiscoveredModule
from dskity.modules.lifecycle.discovery import discover
from tests.modules.conftest import Folder, folder
from tests.providers.packages import Site, site

__all__ = ["folder"]

MODULE = """
    from dskity import Module, ModuleMeta

    class {cls}(Module):
        meta = ModuleMeta("{name}", version="7")
"""


@pytest.fixture
def packages(tmp_path: Path) -> Iterator[Site]:
    """A folder of packages on `sys.path`."""
    with site(tmp_path / "site") as folder:
        yield folder


def found(*search_paths: Path, disabled: tuple[str, ...] = ()) -> dict[str, DiscoveredModule]:
    entries = discover(search_paths, disabled=disabled, entry_points=True)
    return {entry.name: entry for entry in entries}


def reason(entry: DiscoveredModule) -> str:
    assert entry.error is not None
    return str(entry.error)


@pytest.mark.parametrize("value", ["acme.module:Foo", "acme.module", "acme.module:get_module"])
def test_an_installed_package_brings_a_module(packages: Site, value: str) -> None:
    """By a class, a Python module, or a function; its source is the package with its version."""
    code = MODULE.format(cls="Foo", name="foo") + "\n    def get_module():\n        return Foo()\n"
    packages.install("dskity-acme", f"[dskity.modules]\nfoo = {value}\n", {"acme/module.py": code})
    entry = found()["foo"]
    assert (type(entry.module).__name__, entry.source) == ("Foo", "dskity-acme 1.2")
    assert entry.module.meta.version == "7"


def test_one_package_may_bring_several_modules(packages: Site) -> None:
    code = MODULE.format(cls="One", name="one") + MODULE.format(cls="Two", name="two")
    packages.install("a", "[dskity.modules]\nany = acme\n", {"acme/__init__.py": code})
    assert {"one", "two"} <= set(found())


def test_a_disabled_one_is_listed_and_not_imported(packages: Site) -> None:
    """As any other: `modules.<name>.enabled: false`, the name being the entry point's."""
    code = {"acme.py": "raise AssertionError('imported')"}
    packages.install("dskity-acme", "[dskity.modules]\nfoo = acme\n", code)
    entry = found(disabled=("foo",))["foo"]
    assert (entry.module, entry.error, entry.source) == (None, None, "dskity-acme 1.2")
    assert "acme" not in sys.modules


@pytest.mark.parametrize(
    ("value", "code", "expected"),
    [
        ("acme", "import no_such_thing", "acme.py:1: the package 'no_such_thing' is not installed"),
        ("acme", "1 / 0", "its import failed: ZeroDivisionError: division by zero"),
        ("acme", "x = (", "acme.py:1: '(' was never closed"),
        ("gone", "", "the package 'gone' is not installed"),
        ("acme:Gone", "", "names 'Gone', which is no class or function of"),
        ("acme", "", "there is no module in it: write a class"),
        ("acme:Foo", "class Foo: pass", "there is no `register`"),
    ],
)
def test_a_broken_one_fails_alone(packages: Site, value: str, code: str, expected: str) -> None:
    """The reason names the package or the file; the others are there."""
    packages.install("bad", f"[dskity.modules]\nfoo = {value}\n", {"acme.py": code})
    good = {"good_one.py": MODULE.format(cls="Good", name="good")}
    packages.install("good", "[dskity.modules]\ngood = good_one\n", good)
    entries = found()
    assert expected in reason(entries["foo"])
    assert entries["foo"].source == "bad 1.2"
    assert entries["good"].module is not None


LOOKED_AT = {
    "built into Python": ("sys", ""),
    "raises": ("hostile", "def __getattr__(name):\n    raise RuntimeError(name)\n"),
    "exits": ("hostile", "def __getattr__(name):\n    raise SystemExit\n"),
    "replaced": ("hostile", "import sys\nsys.modules[__name__] = 5\n"),
    "meta of the class": (
        "hostile",
        """
        class Meta(type):
            @property
            def meta(cls):
                raise SystemExit

        class Odd(metaclass=Meta):
            def register(self, clients, config): ...
        """,
    ),
    "meta": (
        "hostile:Odd",
        """
        class Odd:
            def register(self, clients, config): ...

            @property
            def meta(self):
                raise SystemExit
        """,
    ),
    "a name that is no text": (
        "hostile",
        "error = ModuleNotFoundError()\nerror.name = 5\nraise error\n",
    ),
}


@pytest.mark.parametrize("case", LOOKED_AT)
def test_one_that_fails_when_it_is_looked_at_fails_alone(packages: Site, case: str) -> None:
    """Its code runs also where attributes of it are read."""
    value, code = LOOKED_AT[case]
    packages.install("bad", f"[dskity.modules]\nfoo = {value}\n", {"hostile.py": code})
    good = {"good_one.py": MODULE.format(cls="Good", name="good")}
    packages.install("good", "[dskity.modules]\ngood = good_one\n", good)
    try:
        entries = found()
    finally:
        sys.modules.pop("hostile", None)
    assert reason(entries["foo"])
    assert entries["foo"].source == "bad 1.2"
    assert entries["good"].module is not None


@pytest.mark.parametrize("file", ["entry_points.txt", "METADATA"])
def test_a_package_whose_files_are_no_text_is_left_out(
    packages: Site, caplog: pytest.LogCaptureFixture, file: str
) -> None:
    """And named in the log: it may belong to another program of this machine."""
    packages.install("bad", "[dskity.modules]\nfoo = acme\n", {})
    (packages.path / "bad-1.2.dist-info" / file).write_bytes(b"[dskity.modules]\n\xff = acme\n")
    good = {"good_one.py": MODULE.format(cls="Good", name="good")}
    packages.install("good", "[dskity.modules]\ngood = good_one\n", good)
    assert found()["good"].module is not None
    assert "bad-1.2.dist-info" in caplog.text


def test_a_package_whose_entry_points_cannot_be_read_fails_alone(packages: Site) -> None:
    packages.install("bad", "[dskity.modules]\nfoo bar\n= acme\n", {})
    good = {"good_one.py": MODULE.format(cls="Good", name="good")}
    packages.install("good", "[dskity.modules]\ngood = good_one\n", good)
    entries = found()
    assert "the entry points of bad 1.2 cannot be read" in reason(entries["bad"])
    assert entries["good"].module is not None


def test_a_module_of_a_search_path_keeps_its_name(packages: Site, folder: Folder) -> None:
    """The installed one of the same name fails, and says whose the name is."""
    code = MODULE.format(cls="Foo", name="foo")
    folder.write("foo.py", code)
    packages.install("dskity-acme", "[dskity.modules]\nfoo = acme\n", {"acme.py": code})
    entries = found(folder.path)
    assert entries["foo"].source.endswith("foo.py")
    assert "the name 'foo' is taken by" in reason(entries["foo#2"])


def test_other_groups_and_packages_are_left_alone(packages: Site) -> None:
    """Also where their entry points cannot be parsed."""
    packages.install("other", "[console_scripts]\nfoo bar\n= x\n", {})
    assert "other" not in found()


def test_an_installed_module_is_listed_and_switched_off(packages: Site, tmp_path: Path) -> None:
    """By `dskity list`, with its package as its source; `modules_entry_points: false` leaves out
    all of them."""
    code = {"acme.py": MODULE.format(cls="Foo", name="foo")}
    packages.install("dskity-acme", "[dskity.modules]\nfoo = acme\n", code)

    def listed(*assignments: str) -> list[dict[str, str]]:
        options = [word for each in assignments for word in ("--set", each)]
        done = subprocess.run(
            [sys.executable, "-m", "dskity", "list", "--json", *options],
            cwd=tmp_path,
            env={"PYTHONPATH": f"{packages.path}:{Path(__file__).parents[2]}"},
            capture_output=True,
            text=True,
            check=True,
        )
        return list(json.loads(done.stdout))

    (row,) = listed()
    assert (row["name"], row["state"], row["source"]) == ("foo", "enabled", "dskity-acme 1.2")
    (row,) = listed("modules.foo.enabled=false")
    assert row["state"] == "disabled"
    assert listed("modules_entry_points=false") == []
