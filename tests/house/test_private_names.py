"""Private names of libraries: each in one file, with its reason, checked when it is imported."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from dskity.broker.aiomqtt import private as aiomqtt
from dskity.bus.base.foreign import Library, MissingPrivateName, names_of
from scripts.reference.private_names import FILES
from tests.house.private_names import ROOT, inherited, own_names, reached_for, sources

ADAPTERS = {ROOT / file: libraries for file, libraries in FILES.items()}
AT_MOST = 43
"""There were 66 before they had files of their own. Fewer is better."""


def named(libraries: tuple[Library, ...]) -> set[str]:
    return {name.name for library in libraries for name in library.names}


LIBRARIES = [library for found in FILES.values() for library in found]


def test_no_file_but_an_adapter_reaches_for_a_private_name_of_a_library() -> None:
    """What the program itself calls by that name is its own; in `broker/` and `modules/http/`,
    which use these libraries, what a file takes it has named itself."""
    own = set().union(*(own_names(path) for path in sources()))
    strange: dict[str, set[str]] = {}
    for path in sources():
        if path in ADAPTERS:
            continue
        inside = path.relative_to(ROOT).as_posix()
        strict = inside.startswith(("broker/", "modules/http/"))
        found = reached_for(path) - (own_names(path) if strict else own)
        if found:
            strange[inside] = found
    assert not strange


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda path: path.parent.name)
def test_an_adapter_names_what_its_package_uses_and_nothing_else(adapter: Path) -> None:
    """What the adapter takes, and what the classes beside it override."""
    used = reached_for(adapter)
    for path in sources():
        if path.parent == adapter.parent:
            used |= {name for _, name in inherited(path)}
    assert used == named(ADAPTERS[adapter])


def test_no_class_elsewhere_overrides_a_private_name_of_a_library() -> None:
    """A base class of a library is as foreign as an object of it."""
    folders = {adapter.parent for adapter in ADAPTERS}
    strange = {
        path.relative_to(ROOT).as_posix(): found
        for path in sources()
        if path.parent not in folders and (found := inherited(path))
    }
    assert not strange


def test_there_are_fewer_than_there_were() -> None:
    """The list may become shorter."""
    assert sum(len(library.names) for library in LIBRARIES) <= AT_MOST


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.distribution)
def test_the_installed_version_has_them_and_a_name_that_is_gone_is_told(library: Library) -> None:
    """With the version that is installed, those that were tested, and the way out, if any."""
    library.check()
    gone = replace(library, names=(*library.names, *names_of(library.names[0].owner, {"_no": ""})))
    with pytest.raises(MissingPrivateName) as caught:
        gone.check()
    said = str(caught.value)
    assert re.match(rf"{library.distribution} [\d.]+ has no \S+\._no; the versions from ", said)
    assert all(version in said for version in library.tested)
    assert said.endswith(library.fallback or "Install one of them")


@pytest.mark.parametrize("owner", ["no_such_module", "aiomqtt:NoClass"])
def test_an_owner_that_is_gone_is_told_like_a_name_that_is_gone(owner: str) -> None:
    """Not by an ImportError."""
    library = replace(aiomqtt.AIOMQTT, names=names_of(owner, {"_a": ""}))
    with pytest.raises(MissingPrivateName, match="_a"):
        library.check()


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.distribution)
def test_no_release_outside_the_tested_minors_is_installed(library: Library) -> None:
    """`pyproject.toml` begins at the lowest version and ends behind the newest one's minor."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [spec] = [
        each for each in project["dependencies"] if re.match(rf"{library.distribution}\W", each)
    ]
    bounds = re.fullmatch(r"[\w-]+>=([\d.]+),<([\d.]+)", spec)
    assert bounds is not None, spec
    lowest, newest = library.tested
    assert lowest in {bounds[1], f"{bounds[1]}.0"}
    major, minor = newest.split(".")[:2]
    assert bounds[2] == f"{major}.{int(minor) + 1}"
