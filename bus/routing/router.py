"""From a topic to the routes that match it: a trie, and a cache of the topics seen lately.

A device publishes to the same topics for ever, so the cache answers nearly always and the cost of
a message does not grow with the number of routes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from dskity.bus.topics import Pattern

R = TypeVar("R")
CACHED_TOPICS = 16_384
_LONG_TOPIC = 512  # characters; longer ones are not cached: 16,384 of them could take a GiB


@dataclass(slots=True)
class _Node(Generic[R]):
    children: dict[str, _Node[R]] = field(default_factory=dict)
    here: list[tuple[Pattern, R]] = field(default_factory=list)
    below: list[tuple[Pattern, R]] = field(default_factory=list)  # routes ending in '#'


class Router(Generic[R]):
    """Routes by filter pattern. `find` returns each match with its captures, oldest route first."""

    def __init__(self) -> None:
        self._root: _Node[R] = _Node()
        self._cache: dict[str, tuple[tuple[R, dict[str, str]], ...]] = {}
        self._order: dict[int, int] = {}
        self._added = 0

    def __len__(self) -> int:
        return len(self._order)

    def add(self, pattern: Pattern, route: R) -> None:
        """Add a route; the same object may stand under one pattern only."""
        self._place(pattern).append((pattern, route))
        self._order[id(route)] = self._added
        self._added += 1
        self._cache.clear()

    def remove(self, pattern: Pattern, route: R) -> None:
        """Remove a route that `add` added."""
        place = self._place(pattern)
        place[:] = [entry for entry in place if entry[1] is not route]
        self._order.pop(id(route), None)
        self._prune(pattern)
        self._cache.clear()

    def find(self, topic: str) -> tuple[tuple[R, dict[str, str]], ...]:
        """The routes that match `topic`; the tuple and its dicts are shared: do not change them."""
        found = self._cache.get(topic)
        if found is None:
            found = self._walk(topic)
            if len(topic) >= _LONG_TOPIC:
                return found
            if len(self._cache) >= CACHED_TOPICS:
                self._cache.clear()
            self._cache[topic] = found
        return found

    def _place(self, pattern: Pattern) -> list[tuple[Pattern, R]]:
        node = self._root
        for level in pattern.levels:
            if level == "#":
                return node.below
            node = node.children.setdefault(level, _Node())
        return node.here

    def _prune(self, pattern: Pattern) -> None:
        path = [(self._root, "")]
        for level in pattern.levels:
            child = path[-1][0].children.get(level)
            if child is None:
                break
            path.append((child, level))
        for (parent, _), (node, level) in zip(path[-2::-1], path[:0:-1], strict=True):
            if node.children or node.here or node.below:
                return
            del parent.children[level]

    def _walk(self, topic: str) -> tuple[tuple[R, dict[str, str]], ...]:
        levels = topic.split("/")
        found: list[tuple[Pattern, R]] = []
        nodes = [self._root]
        for index, level in enumerate(levels):
            wild = index > 0 or not level.startswith("$")  # [MQTT-4.7.2-1]
            following: list[_Node[R]] = []
            for node in nodes:
                if wild:
                    found += node.below
                    if (child := node.children.get("+")) is not None:
                        following.append(child)
                if (child := node.children.get(level)) is not None and level not in {"+", "#"}:
                    following.append(child)
            nodes = following
        for node in nodes:
            found += node.here
            found += node.below  # `a/#` matches `a` too ([MQTT-4.7.1-2])
        found.sort(key=lambda entry: self._order[id(entry[1])])
        return tuple((route, pattern.capture(topic)) for pattern, route in found)
