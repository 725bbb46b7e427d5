"""From search paths to modules: folders and dotted packages, and the classes of the contract there.

In each search path `<name>/module.py`, `<name>/__init__.py` and `<name>.py` are read. Names that
start with `_`, `.` or `test_`, and `conftest.py`, are not. A broken file is one broken module.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from dskity.bus.errors import InvalidSettings, ModuleFailed
from dskity.modules.lifecycle.discovered import DiscoveredModule, unique
from dskity.modules.lifecycle.entry_points import installed
from dskity.modules.lifecycle.failure import describe, shown
from dskity.modules.lifecycle.loading import load, private_package
from dskity.modules.lifecycle.making import Origin, contained, modules_in
from dskity.modules.lifecycle.trust import Policy, refusal

_OURS = Path(__file__).resolve().parents[1]
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def discover(
    search_paths: Iterable[str | Path],
    *,
    explicit: bool = True,
    disabled: Collection[str] = (),
    writable_by_others: Policy = "auto",
    entry_points: bool = False,
) -> list[DiscoveredModule]:
    """Every module of the search paths, in their order, then by name; with `entry_points` those of
    installed packages behind them. Each name is there once.

    A search path that is not there raises `InvalidSettings`, unless it is a default (`explicit`
    false). Files and folders named in `disabled` are listed but not imported, and so are, by the
    policy `writable_by_others`, those of a search path that others may write.
    """
    importlib.invalidate_caches()  # a file may be younger than what the import system remembers
    roots = [root for path in search_paths for root in _roots(str(path), explicit=explicit)]
    found = (
        entry
        for root in roots
        for entry in _found(root, disabled, refusal(root.folder, writable_by_others))
    )
    return unique([*found, *(installed(disabled) if entry_points else ())])


@dataclass(frozen=True, slots=True)
class _Root:
    """A folder of modules, and the package under which they are imported."""

    package: str
    folder: Path


@dataclass(frozen=True, slots=True)
class _Place:
    """A file that may hold modules; `twin` is another one that would be imported as the same."""

    name: str
    target: str
    file: Path
    root: _Root
    twin: Path | None = None

    @property
    def home(self) -> str:
        return f"{self.root.package}.{self.name}"

    @property
    def origin(self) -> Origin:
        file = shown(self.file)
        return Origin(self.name, file, self.home, file, promised=self.file.name == "module.py")


def _roots(path: str, *, explicit: bool) -> list[_Root]:
    folder = Path(path).expanduser()
    if folder.is_dir():
        return [] if _is_ours(folder) else [_Root(private_package(folder), folder.resolve())]
    if not explicit:
        return []
    if _DOTTED.fullmatch(path):
        return [_Root(path, part) for part in _package(path) if not _is_ours(part)]
    raise InvalidSettings(
        f"modules_search_paths: there is no directory {folder.absolute()}: "
        "create it, or correct the path"
    )


def _is_ours(folder: Path) -> bool:
    """Whether it is the folder of the built-ins, which `modules` names in a checkout of DSkity."""
    return folder.resolve() == _OURS


def _package(name: str) -> list[Path]:
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        spec = None
    except Exception as error:  # a parent package runs whatever is written there
        raise InvalidSettings(
            f"modules_search_paths: {name!r} cannot be imported: {describe(error, name)}"
        ) from error
    if spec is None:
        raise InvalidSettings(
            f"modules_search_paths: {name!r} is neither a directory in {Path.cwd()} nor an "
            "installed package: create the directory, or correct the path"
        )
    if spec.submodule_search_locations is None:
        raise InvalidSettings(
            f"modules_search_paths: {name!r} is one file: write the package that contains it"
        )
    return [Path(location) for location in spec.submodule_search_locations]


def _found(
    root: _Root, disabled: Collection[str], refused: str | None
) -> Iterator[DiscoveredModule]:
    for place in _places(root):
        if refused is not None and place.name not in disabled:
            yield place.origin.fails(refused)
        else:
            yield from contained(partial(_read, place, disabled), place.origin)


def _places(root: _Root) -> list[_Place]:
    places: dict[str, _Place] = {}
    for entry in sorted(root.folder.iterdir()):
        place = _place(entry, root)
        if place is not None:
            first = places.setdefault(place.name, place)
            if first is not place:
                places[place.name] = replace(place, twin=first.file)
    return list(places.values())


def _place(entry: Path, root: _Root) -> _Place | None:
    if entry.name.startswith(("_", ".", "test_")) or entry.name == "conftest.py":
        return None
    if entry.suffix == ".py" and entry.is_file():
        return _Place(entry.stem, f"{root.package}.{entry.stem}", entry, root)
    target = f"{root.package}.{entry.name}"
    if (file := entry / "module.py").is_file():
        return _Place(entry.name, f"{target}.module", file, root)
    if (file := entry / "__init__.py").is_file():
        return _Place(entry.name, target, file, root)
    return None


def _read(place: _Place, disabled: Collection[str]) -> Iterator[DiscoveredModule]:
    if place.name in disabled:
        yield DiscoveredModule(place.name, shown(place.file), home=place.home)
    elif place.twin is not None:
        yield place.origin.fails(
            f"{shown(place.file)} and {shown(place.twin)} share a name: rename one"
        )
    elif "." in place.name:
        yield place.origin.fails(
            f"{shown(place.file)}: a '.' in the name cannot be imported: rename it"
        )
    else:
        try:
            code = load(place.name, place.target, place.home, place.root.folder)
        except ModuleFailed as error:
            yield DiscoveredModule(place.name, shown(place.file), error=error, home=place.home)
        else:
            yield from modules_in(code, place.origin)
