"""`dskity init` makes a project that runs as it stands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import parsed

if TYPE_CHECKING:
    from tests.cli.conftest import Dskity

ROOT = Path(__file__).parents[2]
FILES = [
    ".gitignore",
    "README.md",
    "modules/green_house/module.py",
    "pytest.ini",
    "settings.yaml",
    "tests/test_green_house.py",
]


def test_the_project_is_valid(
    dskity: Dskity, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings, module and all."""
    result = dskity("init", "green-house", "--json")
    assert result.exit_code == 0
    made = parsed(result)["files"]
    assert sorted(str(Path(path).relative_to("green-house")) for path in made) == FILES
    monkeypatch.chdir(folder / "green-house")
    report = parsed(dskity("validate", "--strict", "--json"))
    assert (report["valid"], report["faults"], report["warnings"]) == (True, [], [])
    assert [module["name"] for module in report["modules"]] == ["green_house"]


def test_the_project_s_own_tests_pass(dskity: Dskity, folder: Path) -> None:
    """In a process of their own, as its user runs them."""
    dskity("init", "greenhouse")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        command,
        cwd=folder / "greenhouse",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_it_tells_what_comes_next(dskity: Dskity) -> None:
    """The files, and the command to type."""
    lines = dskity("init", "greenhouse").stdout.splitlines()
    assert "  greenhouse/settings.yaml" in lines
    assert lines[-1] == "Next: cd greenhouse && dskity"


def test_nothing_is_overwritten(dskity: Dskity, folder: Path) -> None:
    """Not even half of a project is written."""
    mine = folder / "greenhouse" / "settings.yaml"
    mine.parent.mkdir()
    mine.write_text("name: mine")
    result = dskity("init", "greenhouse")
    assert result.exit_code == 1
    assert "greenhouse/settings.yaml would be overwritten" in result.stderr
    assert mine.read_text() == "name: mine"
    assert [path.name for path in mine.parent.iterdir()] == ["settings.yaml"]


@pytest.mark.parametrize("name", ["Green", "1st", "a/b", "..", "a b", "a--b", "über"])
def test_a_name_must_be_one_for_a_folder_and_a_module(dskity: Dskity, name: str) -> None:
    """Anything else would fail later, and less clearly."""
    result = dskity("init", name)
    assert result.exit_code == 1
    assert "cannot be a project's name" in result.stderr
