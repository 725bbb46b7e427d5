"""Which key is due next: ordered deadlines, and one sleeper for all of them."""

from __future__ import annotations

import heapq
import math

from dskity.bus.base.alarm import Alarm
from dskity.bus.base.clock import Clock

_SLACK = 64
"""Discarded keys stay in the heap; once it exceeds twice the live ones by this, it is rebuilt."""


class Deadlines:
    """Keys with the moment (monotonic seconds of `clock`) at which each is due."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._alarm = Alarm(clock, "commands")

    def __len__(self) -> int:
        return len(self._due)

    def add(self, key: str, seconds: float) -> None:
        """`key` is due `seconds` from now."""
        moment = self._clock.monotonic() + seconds
        self._due[key] = moment
        heapq.heappush(self._heap, (moment, key))
        self._alarm.no_later_than(moment)

    def discard(self, key: str) -> None:
        """`key` is not due any more."""
        self._due.pop(key, None)
        if len(self._heap) > 2 * len(self._due) + _SLACK:
            self._heap = [(moment, key) for key, moment in self._due.items()]
            heapq.heapify(self._heap)

    async def next(self) -> str:
        """Wait for the first key that is due, and take it out."""
        while True:
            self._drop_stale()
            moment = self._heap[0][0] if self._heap else math.inf
            if moment <= self._clock.monotonic():
                _, key = heapq.heappop(self._heap)
                del self._due[key]
                return key
            await self._alarm.sleep_until(moment)

    def _drop_stale(self) -> None:
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
