"""docs/files.md: what each file of the program is for, by the first line of its docstring."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from scripts.reference.markdown import page, table

ROOT = Path(__file__).parents[2]
FLOORS = ("bus", "broker", "handlers", "modules", "dskity")
INTRODUCTION = """
The program, folder by folder, lowest floor first; [the architecture](architecture.md) says who may
import whom. Each file explains itself in the first line of its docstring, and `scripts/docs` writes
that line here.
"""


def render() -> str:
    """The whole page."""
    return page("Files", INTRODUCTION, *(_folder(folder) for folder in _folders()))


def _folders() -> Iterator[Path]:
    for floor in FLOORS:
        top = ROOT / floor
        yield top
        for package in sorted(path.parent for path in top.rglob("__init__.py")):
            if package != top and not any(part.is_symlink() for part in package.parents):
                yield package


def _folder(folder: Path) -> str:
    files = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
    rows = ([f"`{path.name}`", _first_line(path)] for path in files if "_pb2" not in path.name)
    title = f"## {folder.relative_to(ROOT).as_posix()}/"
    return f"{title}\n\n{_first_line(folder / '__init__.py')}\n\n{table(['file', 'purpose'], rows)}"


def _first_line(path: Path) -> str:
    """The first paragraph, for a summary may take two lines."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())
