"""The checkout that the house tests look at."""

from __future__ import annotations

import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LINKED = ("broker", "bus", "handlers", "modules")
"""The folders at the root that dskity/ links to."""


@cache
def files() -> tuple[Path, ...]:
    """Every file that git keeps or would keep, as paths below `ROOT`; links are left out."""
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    paths = (Path(name) for name in sorted(set(filter(None, listed))))
    return tuple(path for path in paths if (ROOT / path).is_file() and not _is_link(path))


def text(path: Path) -> str:
    """A file of the checkout; empty where it is not text."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def git(*arguments: str) -> str:
    """What git says of the checkout."""
    command = ["git", "-c", "safe.directory=*", "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@cache
def pyproject() -> dict[str, Any]:
    """pyproject.toml."""
    return tomllib.loads(text(Path("pyproject.toml")))


@cache
def packages() -> dict[str, Path]:
    """Each package on disk, by its import name, with its folder below `ROOT`."""
    found: dict[str, Path] = {}
    for top in ("dskity", *LINKED):
        for path in files():
            if path.parts[0] == top and path.name == "__init__.py":
                parts = path.parent.parts if top == "dskity" else ("dskity", *path.parent.parts)
                found[".".join(parts)] = path.parent
    return found


@cache
def modules() -> dict[str, Path]:
    """Each module of each package, by its import name, with its file."""
    return {
        package if path.name == "__init__.py" else f"{package}.{path.stem}": path
        for package, folder in packages().items()
        for path in files()
        if path.parent == folder and path.suffix == ".py" and path.name != "__main__.py"
    }


def _is_link(path: Path) -> bool:
    return any((ROOT / part).is_symlink() for part in (path, *path.parents))
