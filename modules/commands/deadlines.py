"""Which key is due next: ordered deadlines, one sleeper, woken only by an earlier deadline."""

from __future__ import annotations

import asyncio
import heapq

from dskity.bus.clock import Clock

_SLACK = 64
"""Discarded keys stay in the heap; once it exceeds twice the live ones by this, it is rebuilt."""


class Deadlines:
    """Keys with the moment (monotonic seconds of `clock`) at which each is due."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._earlier = asyncio.Event()

    def __len__(self) -> int:
        return len(self._due)

    def add(self, key: str, seconds: float) -> None:
        """`key` is due `seconds` from now."""
        moment = self._clock.monotonic() + seconds
        self._due[key] = moment
        heapq.heappush(self._heap, (moment, key))
        if self._heap[0][1] == key:
            self._earlier.set()

    def discard(self, key: str) -> None:
        """`key` is not due any more."""
        self._due.pop(key, None)
        if len(self._heap) > 2 * len(self._due) + _SLACK:
            self._heap = [(moment, key) for key, moment in self._due.items()]
            heapq.heapify(self._heap)

    async def next(self) -> str:
        """Wait for the first key that is due, and take it out."""
        while True:
            self._earlier.clear()
            self._drop_stale()
            if not self._heap:
                await self._earlier.wait()
                continue
            moment, key = self._heap[0]
            if moment <= self._clock.monotonic():
                heapq.heappop(self._heap)
                del self._due[key]
                return key
            await self._pause(moment - self._clock.monotonic())

    def _drop_stale(self) -> None:
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)

    async def _pause(self, seconds: float) -> None:
        """Sleep, unless an earlier deadline comes in."""
        sleeper = asyncio.create_task(self._clock.sleep(seconds), name="deadlines-sleeper")
        woken = asyncio.create_task(self._earlier.wait(), name="deadlines-woken")
        try:
            await asyncio.wait({sleeper, woken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeper.cancel()
            woken.cancel()
            await asyncio.wait({sleeper, woken})
