"""Items in the order of their deadlines, and one sleeper for all of them."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from dskity.bus.base.alarm import Alarm
from dskity.bus.base.clock import Clock

D = TypeVar("D", bound=tuple[Any, ...])

_MOST = 1_000
"""Outdated items that are removed at once: about 1 ms."""


class DeadlineHeap(Generic[D]):
    """Tuples whose first field is the deadline, in monotonic seconds of `clock`.

    An item is not searched for when it no longer counts: its owner says so by `is_live`, and calls
    `outdated`. It is removed in its turn, or when more than `slack` items and half of the heap are
    outdated. `name` is what the sleeping task is called.
    """

    def __init__(
        self, clock: Clock, name: str, is_live: Callable[[D], bool], *, slack: int = 1_024
    ) -> None:
        self._now = clock.monotonic
        self._is_live = is_live
        self._slack = slack
        self._items: list[D] = []
        self._stale = 0
        self._alarm = Alarm(clock, name)

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: D) -> None:
        """Take an item; a sleeper that would wake later wakes at its deadline."""
        heapq.heappush(self._items, item)
        if item[0] < self._alarm.moment:
            self._alarm.no_later_than(item[0])

    def outdated(self) -> None:
        """One more item no longer counts."""
        self._stale += 1
        if self._stale > self._slack and self._stale > len(self._items) // 2:
            self._items[:] = [item for item in self._items if self._is_live(item)]
            heapq.heapify(self._items)
            self._stale = 0

    def due(self, most: int) -> Iterator[D]:
        """The live items that are due now, each removed as it comes; of `most` items of the heap,
        live or not, so that the event loop gets its turn."""
        items, now = self._items, self._now()
        for _ in range(most):
            if not items or items[0][0] > now:
                return
            item = heapq.heappop(items)
            if self._is_live(item):
                yield item
            else:
                self._stale -= 1

    @property
    def next_deadline(self) -> float:
        """Of the first item, which may be outdated; infinite where there is none."""
        return self._items[0][0] if self._items else math.inf

    async def sleep(self, at_least: float = 0.0) -> None:
        """Sleep until an item is due, and `at_least` so many seconds unless `add` wakes it."""
        for _ in range(_MOST):
            if not self._items or self._is_live(self._items[0]):
                break
            heapq.heappop(self._items)
            self._stale -= 1
        await self._alarm.sleep_until(max(self.next_deadline, self._now() + at_least))
