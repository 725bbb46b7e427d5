"""The order in which modules start: after those they depend on, else as they were found."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Order:
    """`names` has every module once; `faults` says which of them cannot start, and why."""

    names: tuple[str, ...]
    faults: Mapping[str, str] = field(default_factory=dict)


def order(depends_on: Mapping[str, Collection[str]]) -> Order:
    """Sort the names so that dependencies come first; the sort is stable.

    A cycle is a fault of each module on it, a dependency that nobody found one of the module that
    names it. Those that depend on a faulty module are for the supervisor: it sees it fail.
    """
    names: dict[str, None] = {}
    faults: dict[str, str] = {}
    path: list[str] = []

    def visit(name: str) -> None:
        if name in path:
            cycle = [*path[path.index(name) :], name]
            text = f"it is on a cycle of depends_on: {' → '.join(cycle)}"
            faults.update((member, text) for member in cycle if member not in faults)
        elif name not in names:
            path.append(name)
            for dependency in depends_on[name]:
                if dependency in depends_on:
                    visit(dependency)
                else:
                    faults[name] = _missing(name, dependency, depends_on)
            path.pop()
            names[name] = None

    for name in depends_on:
        visit(name)
    return Order(tuple(names), faults)


def _missing(name: str, dependency: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(dependency, known, n=1)
    fix = f"did you mean {near[0]!r}?" if near else "add it to a search path, or remove it"
    return f"its dependency {dependency!r} was not found ({name} → {dependency}): {fix}"
