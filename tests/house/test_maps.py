"""The maps of the code name every file, and none that is not there."""

from __future__ import annotations

import ast
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.house.checkout import LINKED, ROOT, files, packages, pyproject, text

PAGE = Path("docs/architecture.md")
FLOORS = ("dskity", *LINKED)
NAME = re.compile(r"[\w*]+\.py\b")
PLACE = re.compile(rf"\b(?:{'|'.join(FLOORS)})/[\w/]*(?:\.py)?")
ABOUT_THE_CODE = [PAGE, *(path for path in files() if path.match("docs/decisions/*.md"))]
MAPPED = [folder for folder in packages().values() if "Layout" in text(folder / "__init__.py")]


def test_the_architecture_and_import_linter_agree_on_where_libraries_are_imported() -> None:
    """Row by row of the page's table, which may leave out a library's companions."""
    rows = re.findall(r"^\| ([a-z, ]+) \| (`.*`) \|$", text(PAGE), re.MULTILINE)
    said = [({*names.split(", ")}, set(re.findall("`(.+?)`", places))) for names, places in rows]
    contracts = pyproject()["tool"]["importlinter"]["contracts"]
    walls = [contract for contract in contracts if contract["type"] == "protected"]
    assert len(said) == len(walls)
    for wall in walls:
        places = {_place(name) for name in wall["allowed_importers"]}
        assert [there for names, there in said if names <= {*wall["protected_modules"]}] == [places]


@pytest.mark.parametrize("page", ABOUT_THE_CODE, ids=str)
def test_every_place_in_the_code_that_a_page_names_is_there(page: Path) -> None:
    """As `bus/errors.py`, from the root."""
    places = set(PLACE.findall(re.sub(r"\([^)\s]+\)", "", text(page))))
    assert {place for place in places if not (ROOT / place).exists()} == set()


@pytest.mark.parametrize("folder", MAPPED, ids=str)
def test_the_map_in_a_package_names_every_file_of_it(folder: Path) -> None:
    """In the docstring of its `__init__.py`; `amqtt_*.py` names several."""
    docstring = ast.get_docstring(ast.parse(text(folder / "__init__.py"))) or ""
    named = set(NAME.findall(docstring))
    there = _python_in(folder) - {"__main__.py"}
    matched = {(file, name) for file in there for name in named if fnmatch(file, name)}
    assert there - {file for file, _ in matched} == set()
    assert named - {name for _, name in matched} == set()


def _place(name: str) -> str:
    path = Path(*name.split("."))
    inner = path.relative_to("dskity") if path.parts[1] in LINKED else path
    return f"{inner.as_posix()}/" if (ROOT / inner).is_dir() else f"{inner.as_posix()}.py"


def _python_in(folder: Path) -> set[str]:
    here = (path.name for path in files() if path.parent == folder and path.suffix == ".py")
    return {name for name in here if name != "__init__.py"}
