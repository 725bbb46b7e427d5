"""From search paths to modules: folders and dotted packages, and the classes of the contract there.

In each search path `<name>/module.py`, `<name>/__init__.py` and `<name>.py` are read. Names that
start with `_`, `.` or `test_`, and `conftest.py`, are not. A broken file is one broken module.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from dskity.bus.errors import InvalidInput, InvalidSettings, ModuleFailed
from dskity.handlers.declare import declared
from dskity.modules.lifecycle.discovered import DiscoveredModule, unique
from dskity.modules.lifecycle.failure import describe, shown
from dskity.modules.lifecycle.loading import load, private_package
from dskity.modules.lifecycle.shape import check_register, claims, meta_of
from dskity.modules.lifecycle.trust import Policy, refusal

_OURS = Path(__file__).resolve().parents[1]
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def discover(
    search_paths: Iterable[str | Path],
    *,
    explicit: bool = True,
    disabled: Collection[str] = (),
    writable_by_others: Policy = "auto",
) -> list[DiscoveredModule]:
    """Every module of the search paths, in their order, then by name; each name is there once.

    A search path that is not there raises `InvalidSettings`, unless it is a default (`explicit`
    false). Files and folders named in `disabled` are listed but not imported, and so are, by the
    policy `writable_by_others`, those of a search path that others may write.
    """
    importlib.invalidate_caches()  # a file may be younger than what the import system remembers
    roots = [root for path in search_paths for root in _roots(str(path), explicit=explicit)]
    return unique(
        found
        for root in roots
        for found in _found(root, disabled, refusal(root.folder, writable_by_others))
    )


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
    def promised(self) -> bool:
        """Whether the file's name says that a module is in it."""
        return self.file.name == "module.py"

    def at(self, thing: Any) -> str:
        """`file:line` of a class or function."""
        try:
            return f"{shown(self.file)}:{inspect.getsourcelines(thing)[1]}"
        except (OSError, TypeError):
            return shown(self.file)

    def fails(
        self, reason: str, name: str | None = None, cause: BaseException | None = None
    ) -> DiscoveredModule:
        name = name or self.name
        error = ModuleFailed(name, reason)
        error.__cause__ = cause
        return DiscoveredModule(name, shown(self.file), error=error, home=self.home)


def _roots(path: str, *, explicit: bool) -> list[_Root]:
    folder = Path(path).expanduser()
    if folder.is_dir():
        return [] if _is_ours(folder) else [_Root(private_package(folder), folder.resolve())]
    if not explicit:
        return []
    if _DOTTED.fullmatch(path):
        return [_Root(path, part) for part in _package(path) if not _is_ours(part)]
    raise InvalidSettings(
        f"modules_search_paths: there is no folder {folder.absolute()}: "
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
            f"modules_search_paths: {name!r} is neither a folder in {Path.cwd()} nor an installed "
            "package: create the folder, or correct the path"
        )
    if spec.submodule_search_locations is None:
        raise InvalidSettings(
            f"modules_search_paths: {name!r} is one file: name the package that it lies in"
        )
    return [Path(location) for location in spec.submodule_search_locations]


def _found(
    root: _Root, disabled: Collection[str], refused: str | None
) -> Iterator[DiscoveredModule]:
    for place in _places(root):
        if refused is not None and place.name not in disabled:
            yield place.fails(refused)
        else:
            yield from _read(place, disabled)


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
        yield place.fails(f"{shown(place.file)} and {shown(place.twin)} share a name: rename one")
    elif "." in place.name:
        yield place.fails(f"{shown(place.file)}: a '.' in the name cannot be imported: rename it")
    else:
        try:
            code = load(place.name, place.target, place.home, place.root.folder)
        except ModuleFailed as error:
            yield DiscoveredModule(place.name, shown(place.file), error=error, home=place.home)
        else:
            yield from _modules(code, place)


def _modules(code: ModuleType, place: _Place) -> Iterator[DiscoveredModule]:
    makers = _makers(code, place.home)
    if not makers and declared(code):
        yield place.fails(
            f"{shown(place.file)}: nobody calls its @on functions: make them methods of a class "
            "Module, or begin the file's name with _ if another module subscribes them"
        )
    elif not makers and place.promised:
        yield place.fails(
            f"{shown(place.file)}: there is no module in it: write a class with "
            "meta = ModuleMeta(…) and def register(self, clients, config)"
        )
    for maker in makers:
        yield _make(maker, place)


def _makers(code: ModuleType, home: str) -> list[Callable[[], Any]]:
    """What to call for instances: `get_module`, or else the classes of the contract."""
    maker = getattr(code, "get_module", None)
    if callable(maker):
        return [maker]
    own = [
        value
        for value in dict.fromkeys(v for v in vars(code).values() if isinstance(v, type))
        if f"{value.__module__}.".startswith(f"{home}.") and claims(value)
    ]
    return [cls for cls in own if hasattr(cls, "meta") or not _is_base(cls, own)]


def _is_base(cls: type, classes: list[type]) -> bool:
    return any(cls in other.__mro__[1:] for other in classes)


def _make(maker: Callable[[], Any], place: _Place) -> DiscoveredModule:
    name = getattr(getattr(maker, "meta", None), "name", None)
    name = name if isinstance(name, str) and name else place.name
    label = f"{place.at(maker)}: {getattr(maker, '__name__', 'get_module')}"
    try:
        module = maker()
        if isinstance(module, type):
            module = module()
    except KeyboardInterrupt:  # Ctrl-C
        raise
    except BaseException as error:  # noqa: BLE001  # a constructor runs anything
        return place.fails(
            f"{label}() failed: {describe(error, place.home)}: it is called without arguments",
            name,
            error,
        )
    try:
        check_register(module)
        return DiscoveredModule(meta_of(module).name, shown(place.file), module, home=place.home)
    except InvalidInput as error:
        return place.fails(f"{label}: {error}", name)
