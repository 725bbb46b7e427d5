"""Modules of installed packages, which name them as entry points of the group `dskity.modules`.

The value of an entry point is a Python module, in which modules are looked for as in a file of a
search path, or `module:Class`, or `module:function`. Its name is the module's in the settings.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from importlib.metadata import EntryPoint
from operator import attrgetter
from types import ModuleType
from typing import Any

from dskity.bus.base.packages import packages_with
from dskity.bus.errors import ModuleFailed
from dskity.modules.lifecycle.discovered import DiscoveredModule
from dskity.modules.lifecycle.failure import shown
from dskity.modules.lifecycle.loading import load
from dskity.modules.lifecycle.making import Origin, contained, make, modules_in

GROUP = "dskity.modules"


def installed(disabled: Collection[str] = ()) -> Iterator[DiscoveredModule]:
    """The modules of all installed packages, by the names of packages, then of entry points.

    Those named in `disabled` are listed but not imported. One that cannot be imported is one
    broken module, and so is a package whose list of entry points cannot be read.
    """
    for package, name in packages_with(GROUP):
        source = f"{name} {package.version}"
        try:
            entries = sorted(package.entry_points.select(group=GROUP), key=attrgetter("name"))
        except Exception as error:  # noqa: BLE001  # whatever is written there is parsed
            reason = f"the entry points of {source} cannot be read: {error}: install it again"
            yield Origin(name, source, name, source).fails(reason, cause=error)
            continue
        for entry in entries:
            origin = Origin(entry.name, source, entry.name, source)
            yield from contained(partial(_read, entry, source, disabled), origin)


def _read(entry: EntryPoint, source: str, disabled: Collection[str]) -> Iterator[DiscoveredModule]:
    target, _, attribute = (part.strip() for part in entry.value.partition(":"))
    home = target.rpartition(".")[0] or target
    if entry.name in disabled:
        yield DiscoveredModule(entry.name, source, home=home)
        return
    try:
        code = load(entry.name, target, home)
    except ModuleFailed as error:
        reason = f"{source}: {_reason(error)}"
        yield Origin(entry.name, source, home, source).fails(reason, cause=error.__cause__)
        return
    file = getattr(code, "__file__", None)  # a namespace and what is built into Python have none
    origin = Origin(entry.name, source, home, shown(file or target))
    yield from contained(partial(_made, code, attribute, entry, origin), origin)


def _made(
    code: ModuleType, attribute: str, entry: EntryPoint, origin: Origin
) -> Iterable[DiscoveredModule]:
    return [_named(code, attribute, entry, origin)] if attribute else modules_in(code, origin)


def _named(code: ModuleType, attribute: str, entry: EntryPoint, origin: Origin) -> DiscoveredModule:
    maker: Callable[[], Any] | None = getattr(code, attribute, None)
    if callable(maker):
        return make(maker, origin)
    return origin.fails(
        f"{origin.source}: its entry point {entry.name} = {entry.value!r} names {attribute!r}, "
        f"which is no class or function of {origin.file}: correct it there, or install it again"
    )


def _reason(error: ModuleFailed) -> str:
    return str(error).removeprefix(f"module {error.module!r}: ")
