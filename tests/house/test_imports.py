"""What importing does, and what may be imported where."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.house.checkout import LINKED, ROOT, modules, pyproject, text

NOT_FOR_USE = {"bench", "dev", "docs"}
BUS_NEEDS = {*sys.stdlib_module_names, "dskity", "pydantic", "pydantic_core"}

WATCHED_IMPORT = """
import importlib, sys

def watch(event, arguments):
    writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    opens = event in {"socket.connect", "socket.bind", "subprocess.Popen", "os.mkdir"}
    if writes or opens:
        raise SystemExit(f"importing {name} did {event} {arguments}")

sys.addaudithook(watch)
for name in sys.argv[1:]:
    importlib.import_module(name)
print(sorted({"broker", "bus", "handlers", "modules"} & sys.modules.keys()))
"""


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_module_keeps_what_its_all_promises(name: str) -> None:
    """Every module imports, and every name of `__all__` is there."""
    module = importlib.import_module(name)
    missing = [export for export in getattr(module, "__all__", ()) if not hasattr(module, export)]
    assert missing == []


def test_importing_opens_nothing_and_takes_no_bare_name() -> None:
    """No socket, no child, no file; and a user's own `modules/` stays free to be imported."""
    command = [sys.executable, "-B", "-c", WATCHED_IMPORT, *sorted(modules())]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_the_bus_needs_the_standard_library_and_pydantic_only() -> None:
    """import-linter proves the arrows inside; this is the one that leads outside."""
    foreign = {
        (path.name, name)
        for path in modules().values()
        if path.parts[0] == "bus"
        for name in _imported(path)
        if name.split(".")[0] not in BUS_NEEDS
    }
    assert foreign == set()


def test_every_import_has_a_requirement_of_ours() -> None:
    """What comes along with another package can go with its next version."""
    project = pyproject()["project"]
    extras = project["optional-dependencies"].items()
    wanted = [*project["dependencies"], "pydantic-core"]  # pydantic demands one version of its core
    wanted += [line for extra, lines in extras if extra not in NOT_FOR_USE for line in lines]
    required = {_distribution(re.split(r"[<>=\[; ]", line)[0]) for line in wanted}
    owners = packages_distributions()
    tops = {name.split(".")[0] for path in modules().values() for name in _imported(path)}
    lost = {
        top
        for top in tops - sys.stdlib_module_names - {"dskity"}
        if not required & set(map(_distribution, owners.get(top, ())))
    }
    assert lost == set()


@pytest.mark.parametrize("floor", LINKED)
def test_nothing_below_imports_the_face(floor: str) -> None:
    """import-linter proves the arrows between the floors; the face is all else in `dskity/`."""
    upward = {
        (path.name, name)
        for path in modules().values()
        if path.parts[0] == floor
        for name in _imported(path)
        if name.split(".")[0] == "dskity" and not set(name.split(".")[1:2]) & set(LINKED)
    }
    assert upward == set()


@pytest.mark.parametrize("floor", LINKED)
def test_only_the_face_reads_the_environment(floor: str) -> None:
    """Everything below `dskity/` receives plain values, so two runtimes fit in one process."""
    readers = [
        path
        for path in modules().values()
        if path.parts[0] == floor and ("os.environ" in text(path) or "getenv" in text(path))
    ]
    assert readers == []


def _distribution(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(text(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names
