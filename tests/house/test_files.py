"""What no file of the checkout may be or hold."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.house.checkout import ROOT, files, text

MACHINE_PATH = re.compile(r"(?<![\w.{}$*-])/(?:work|root|home)/")
REGISTRY = re.compile(r"\b(?:pypi\.org|pythonhosted\.org|npmjs\.(?:org|com))\b")
GENERATED = re.compile(r"_pb2(_grpc)?\.py$")
MOST_FILES, MOST_LINES = 20, 400
SCRIPTS = sorted(path for path in files() if path.parent == Path("scripts") and not path.suffix)


@pytest.mark.parametrize(("what", "pattern"), [("path", MACHINE_PATH), ("registry", REGISTRY)])
def test_no_file_names_a_machine(what: str, pattern: re.Pattern[str]) -> None:
    """Neither where a checkout lay, nor where packages come from: both differ elsewhere."""
    found = [
        f"{path}:{number}: {line.strip()[:80]}"
        for path in files()
        for number, line in enumerate(text(path).splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == [], what


def test_no_file_is_a_drawer_for_everything() -> None:
    """A function has a home that says what it is for."""
    assert [path for path in files() if path.name in {"utils.py", "helpers.py", "misc.py"}] == []


@pytest.mark.parametrize("script", [Path(".ci/run"), *SCRIPTS], ids=str)
def test_each_script_can_be_run(script: Path) -> None:
    """All but the part that the others source."""
    runnable = os.access(ROOT / script, os.X_OK)
    assert runnable is not script.name.startswith("_")


def test_the_index_of_scripts_names_each() -> None:
    """scripts/README.md."""
    index = text(Path("scripts/README.md"))
    assert [script.name for script in SCRIPTS if f"`{script.name}`" not in index] == []


def test_no_folder_holds_more_than_20_source_files() -> None:
    """What a folder is about fits on one screen; a subject of it gets a folder of its own."""
    held = Counter(path.parent for path in files() if path.suffix == ".py")
    assert {str(folder): count for folder, count in held.items() if count > MOST_FILES} == {}


def test_no_source_file_has_more_than_400_lines() -> None:
    """But for what is generated, and for those that still have more: each may only get shorter."""
    lengths = {
        str(path): len(text(path).splitlines())
        for path in files()
        if path.suffix == ".py" and not GENERATED.search(path.name)
    }
    too_long = {path: count for path, count in lengths.items() if count > MOST_LINES}
    assert too_long == {}
