"""Time as a value that can be passed in, so that tests own it."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import math
import time
from typing import Protocol


class Clock(Protocol):
    """`monotonic` seconds for durations, `time` (Unix seconds) for stamps, `sleep`, `timeout`."""

    def monotonic(self) -> float:
        """Seconds that only grow; compare, never show."""
        ...

    def time(self) -> float:
        """Unix time in seconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of this clock."""
        ...

    def timeout(self, seconds: float | None) -> asyncio.Timeout:
        """`asyncio.timeout` by this clock."""
        ...


class SystemClock:
    """The machine's own clocks."""

    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)
    sleep = staticmethod(asyncio.sleep)
    timeout = staticmethod(asyncio.timeout)


class VirtualClock:
    """A clock that stands still until `advance` moves it; sleepers wake in deadline order."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = 0.0
        self._epoch = start
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._limits: list[tuple[float, int, asyncio.Timeout]] = []
        self._order = itertools.count()

    def monotonic(self) -> float:
        return self._now

    def time(self) -> float:
        return self._epoch + self._now

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), wake))
        await wake

    def timeout(self, seconds: float | None) -> asyncio.Timeout:
        limit = asyncio.timeout(None)
        if seconds is not None:
            heapq.heappush(self._limits, (self._now + seconds, next(self._order), limit))
        return limit

    async def advance(self, seconds: float) -> None:
        """Move time on, waking each sleeper at its own moment and letting what it woke run."""
        end = self._now + seconds
        await self._settle()
        while (moment := self._next_moment()) <= end:
            self._now = moment
            if self._sleepers and self._sleepers[0][0] == moment:
                _, _, wake = heapq.heappop(self._sleepers)
                if not wake.done():
                    wake.set_result(None)
            else:
                _, _, limit = heapq.heappop(self._limits)
                with contextlib.suppress(RuntimeError):  # its block has ended
                    limit.reschedule(asyncio.get_running_loop().time())
            await self._settle()
        self._now = end
        await self._settle()

    def _next_moment(self) -> float:
        """That of the next sleeper or limit; infinite where there is none."""
        return min(queue[0][0] if queue else math.inf for queue in (self._sleepers, self._limits))

    @staticmethod
    async def _settle() -> None:
        for _ in range(20):
            await asyncio.sleep(0)


SYSTEM_CLOCK = SystemClock()
