"""Packages that are installed into a folder, as pip leaves them: code, and a dist-info folder."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType


class Site:
    """A folder of installed packages."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def install(self, name: str, entry_points: str, code: dict[str, str]) -> None:
        """A package of this name, version 1.2, with its `entry_points.txt` and files."""
        info = self.path / f"{name.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(textwrap.dedent(entry_points))
        for file, source in code.items():
            target = self.path / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(textwrap.dedent(source))


@contextmanager
def site(path: Path) -> Iterator[Site]:
    """The folder is on `sys.path`; what was imported from it is forgotten at the end."""
    path.mkdir()
    before = set(sys.modules)
    sys.path.insert(0, str(path))
    try:
        yield Site(path)
    finally:
        sys.path.remove(str(path))
        for name in set(sys.modules) - before:
            if str(path) in _places(sys.modules[name]):
                del sys.modules[name]


def _places(module: object) -> str:
    """Its file, or the folders of a package without one; what raises when it is looked at has
    replaced itself in `sys.modules`, or has a `__getattr__`."""
    names = vars(module) if isinstance(module, ModuleType) else {}
    return f"{names.get('__file__', '')} {list(names.get('__path__', ()))}"
