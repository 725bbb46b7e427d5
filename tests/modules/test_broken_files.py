"""What is wrong with a file is that module's error, with the place and the fix."""

from __future__ import annotations

import pytest

from dskity.modules.lifecycle.discovered import DiscoveredModule
from dskity.modules.lifecycle.discovery import discover
from tests.modules.conftest import Folder
from tests.modules.test_discovery import HEALTH, named


def beside_a_healthy_one(folder: Folder, file: str, source: str) -> DiscoveredModule:
    """The broken one of two; the other is found as ever."""
    folder.write(file, source)
    folder.write("healthy.py", named("healthy"))
    good = [f for f in discover([folder.path]) if f.error is None]
    bad = [f for f in discover([folder.path]) if f.error is not None]
    assert [f.name for f in good] == ["healthy"]
    assert len(bad) == 1, bad
    return bad[0]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def register(:\n", "bad/module.py:1: invalid syntax: def register(:"),
        (
            "import no_such_package_here\n",
            "bad/module.py:1: the package 'no_such_package_here' is not installed: install",
        ),
        ("import json.nothing\n", "'json' is installed, but has no 'json.nothing'"),
        ("from .nothing import x\n", "it imports 'bad.nothing', which is not in"),
        ("import healthy\n", "'healthy' is next to it in"),
        ("x = 1\ny = x / 0\n", "its import failed: ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)\n", "its import failed: SystemExit: 3"),
        ("raise ModuleNotFoundError('by hand')\n", "its import failed: ModuleNotFoundError"),
        ("from json import nothing\n", "its import failed: ImportError: cannot import name"),
        ("x = 1\n", "there is no module in it: write a class with meta = ModuleMeta"),
    ],
)
def test_an_import_that_fails(folder: Folder, source: str, says: str) -> None:
    """A missing package is told from a failure inside, and named."""
    found = beside_a_healthy_one(folder, "bad/module.py", source)
    assert found.name == "bad"
    assert found.module is None
    assert says in str(found.error)
    assert "bad/module.py" in found.source


def test_the_place_of_a_failure_is_the_line_in_the_module(folder: Folder) -> None:
    """Not the library's that it called."""
    found = beside_a_healthy_one(folder, "bad.py", "import json\n\njson.loads('{')\n")
    assert "bad.py:3)" in str(found.error)


CLASS = """
    from dskity.modules import Module, ModuleMeta

    class Bad{base}:
        {meta}

        {register}
"""
REGISTER = "def register(self, clients, config): ..."
META = 'meta = ModuleMeta("bad")'


@pytest.mark.parametrize(
    ("meta", "register", "says"),
    [
        ("", REGISTER, "Bad: there is no `meta`: write meta = ModuleMeta("),
        ('meta = {"name": "bad"}', REGISTER, "`meta` is a dict without .name and .base_path"),
        ('meta = ModuleMeta("")', REGISTER, "meta.name is ''"),
        ('meta = ModuleMeta("a/b")', REGISTER, "and no '/'"),
        ("meta = ModuleMeta(7)", REGISTER, "meta.name is 7 (int): write a str"),
        ('meta = ModuleMeta("bad", "", "kv")', REGISTER, "meta.depends_on is 'kv': write a tuple"),
        (META, "x = 1", "there is no `register`"),
        (META, "def register(self): ...", "`register()` is called with clients and config"),
        (META, "def __init__(self, x): ...\n        " + REGISTER, "Bad() failed: TypeError"),
    ],
)
def test_a_class_that_misses_the_contract(
    folder: Folder, meta: str, register: str, says: str
) -> None:
    """The line of the class, what is wrong, and what to write."""
    source = CLASS.format(base="", meta=meta, register=register)
    found = beside_a_healthy_one(folder, "bad.py", source)
    assert says in str(found.error)
    assert "bad.py:4: " in str(found.error)


def test_a_subclass_without_meta_is_an_error(folder: Folder) -> None:
    """It was meant to be a module."""
    source = CLASS.format(base="(Module)", meta="", register="pass")
    assert "there is no `meta`" in str(beside_a_healthy_one(folder, "bad.py", source).error)


def test_get_module_that_fails_or_returns_nothing(folder: Folder) -> None:
    """Its error is the module's."""
    folder.write("one.py", "def get_module():\n    raise ValueError('no')\n")
    folder.write("two.py", "def get_module(): ...\n")
    one, two = discover([folder.path])
    assert "get_module() failed: ValueError: no" in str(one.error)
    assert "there is no `register`" in str(two.error)


def test_a_duplicate_name_fails_the_later_module(folder: Folder) -> None:
    """The first keeps the name; the error names both files."""
    folder.write("a.py", HEALTH)
    folder.write("b.py", HEALTH)
    first, second = discover([folder.path])
    assert (first.name, first.error) == ("health", None)
    assert (second.name, second.module) == ("health#2", None)
    assert "b.py: the name 'health' is taken by" in str(second.error)
    assert "a.py: give one of them another meta.name" in str(second.error)


def test_what_failed_takes_no_name_from_what_works(folder: Folder) -> None:
    """The file `health.py` is broken, and another file's module is called `health`."""
    folder.write("health.py", "1 / 0\n")
    folder.write("z.py", HEALTH)
    assert [(f.name, f.error is None) for f in discover([folder.path])] == [
        ("health#2", False),
        ("health", True),
    ]


def test_a_file_and_a_folder_of_one_name(folder: Folder) -> None:
    """Python would import only one of them."""
    folder.write("bad/module.py", HEALTH)
    found = beside_a_healthy_one(folder, "bad.py", HEALTH)
    assert "share a name: rename one" in str(found.error)


def test_a_folder_name_with_a_dot(folder: Folder) -> None:
    """It cannot be imported."""
    found = beside_a_healthy_one(folder, "bad.v2/module.py", HEALTH)
    assert "a '.' in the name cannot be imported" in str(found.error)
