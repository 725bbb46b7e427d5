"""Which key is due next."""

from __future__ import annotations

from typing import TypeAlias

from dskity.bus.base.clock import Clock
from dskity.bus.base.deadline_heap import DeadlineHeap

_SLACK = 64
"""Discarded keys that the heap may hold beyond as many as live ones."""
_SLICE = 1_000

_Item: TypeAlias = tuple[float, str]


class Deadlines:
    """Keys with the moment (monotonic seconds of `clock`) at which each is due."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: dict[str, float] = {}
        self._heap: DeadlineHeap[_Item] = DeadlineHeap(
            clock, "commands", self._is_live, slack=_SLACK
        )

    def __len__(self) -> int:
        return len(self._due)

    def add(self, key: str, seconds: float) -> None:
        """`key` is due `seconds` from now."""
        self.discard(key)
        moment = self._clock.monotonic() + seconds
        self._due[key] = moment
        self._heap.add((moment, key))

    def discard(self, key: str) -> None:
        """`key` is not due any more."""
        if self._due.pop(key, None) is not None:
            self._heap.outdated()

    async def next(self) -> str:
        """Wait for the first key that is due, and take it out."""
        while (key := self._take()) is None:
            await self._heap.sleep()
        return key

    def _take(self) -> str | None:
        for _, key in self._heap.due(_SLICE):
            del self._due[key]
            return key
        return None

    def _is_live(self, item: _Item) -> bool:
        moment, key = item
        return self._due.get(key) == moment
