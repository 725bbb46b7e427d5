"""Folders lie at the root and are imported under `dskity.` (docs/decisions/0001)."""

from __future__ import annotations

import os

import pytest

from tests.house.checkout import LINKED, ROOT, git, packages, pyproject

SETUPTOOLS = pyproject()["tool"]["setuptools"]


def test_the_list_of_packages_is_what_lies_on_disk() -> None:
    """A package that is missing from the list would be missing from the wheel."""
    assert SETUPTOOLS["packages"] == sorted(packages())


def test_each_package_name_leads_to_its_folder() -> None:
    """Each is written out, so that none is looked for where a link leads."""
    expected = {name: folder.as_posix() for name, folder in packages().items()}
    assert SETUPTOOLS["package-dir"] == expected


@pytest.mark.parametrize("folder", LINKED)
def test_dskity_links_to_each_folder_relatively(folder: str) -> None:
    """So that a bare checkout, mypy and import-linter see the names that an installation has."""
    link = ROOT / "dskity" / folder
    assert link.is_symlink()
    assert link.readlink().as_posix() == f"../{folder}"
    assert link.resolve() == ROOT / folder


@pytest.mark.parametrize("folder", LINKED)
def test_git_keeps_each_link_as_a_link(folder: str) -> None:
    """Mode 120000, and nothing below it, or a clone would hold the folder twice."""
    kept = git("ls-files", "--stage", "--", f"dskity/{folder}").splitlines()
    assert [line.split()[0] for line in kept] in ([], ["120000"])


def test_every_folder_with_modules_is_a_package() -> None:
    """A folder without `__init__.py` would be imported from a checkout and lost from the wheel."""
    missing = [
        folder
        for top in ("dskity", *LINKED)
        for folder, _, names in os.walk(ROOT / top)
        if any(name.endswith(".py") for name in names) and "__init__.py" not in names
    ]
    assert missing == []


def test_each_pattern_of_package_data_finds_something() -> None:
    """Else a file that was renamed would be missing from the wheel."""
    empty = [
        (package, pattern)
        for package, patterns in SETUPTOOLS["package-data"].items()
        for pattern in patterns
        if not any((ROOT / packages()[package]).glob(pattern))
    ]
    assert empty == []


def test_type_checkers_may_read_the_types_of_an_installation() -> None:
    """PEP 561: the marker is in the top package and is packed."""
    assert (ROOT / "dskity" / "py.typed").exists()
    assert "py.typed" in SETUPTOOLS["package-data"]["dskity"]
