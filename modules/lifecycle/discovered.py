"""What discovery returns: modules that can be started, and those that cannot, with the reason."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from dskity.bus.errors import ModuleFailed
from dskity.modules.lifecycle.shape import meta_of

BUILT_IN = "built-in"


@dataclass(frozen=True, slots=True)
class DiscoveredModule:
    """One module, or why there is none.

    `source` is its file, or `built-in`. Where both `module` and `error` are None, the settings
    disable it and it was not imported. `home` is the dotted name that its code lies under, where it
    was found in a search path.
    """

    name: str
    source: str
    module: Any = None
    error: ModuleFailed | None = None
    home: str = ""


def built_in(module: Any) -> DiscoveredModule:
    """A module that comes as an instance."""
    return DiscoveredModule(meta_of(module).name, BUILT_IN, module)


def unique(found: Iterable[DiscoveredModule]) -> list[DiscoveredModule]:
    """The same, with every name there once.

    The first module of a name keeps it; a later one fails, as `name#2`. What has failed already
    takes no name from one that works.
    """
    entries = list(found)
    owners: dict[str, DiscoveredModule] = {}
    for entry in entries:
        if entry.module is not None:
            owners.setdefault(entry.name, entry)
    taken = set(owners)
    result: list[DiscoveredModule] = []
    for entry in entries:
        owner = owners.get(entry.name)
        if entry is not owner:
            entry = _renamed(entry, owner, taken)  # noqa: PLW2901  # its place in the order stays
        result.append(entry)
    return result


def _renamed(
    entry: DiscoveredModule, owner: DiscoveredModule | None, taken: set[str]
) -> DiscoveredModule:
    names = (entry.name if n == 1 else f"{entry.name}#{n}" for n in itertools.count(1))
    name = next(candidate for candidate in names if candidate not in taken)
    taken.add(name)
    if entry.module is None or owner is None:
        return replace(entry, name=name)
    error = ModuleFailed(
        name,
        f"{entry.source}: the name {entry.name!r} is taken by {owner.source}: "
        "give one of them another meta.name",
    )
    return DiscoveredModule(name, entry.source, error=error, home=entry.home)
