"""A sleep until a moment that may be brought forward: one sleeper for any number of deadlines."""

from __future__ import annotations

import asyncio
import math

from dskity.bus.clock import Clock

_LONGEST = 86_400.0
"""A day: an event loop takes no infinite timer."""


class Alarm:
    """One sleeper, and the moment (monotonic seconds of the clock) at which it wakes.

    `moment` is infinite while nothing is awaited; what brings it forward between two sleeps counts
    for the next one, so that nothing is overslept. `name` is what its tasks are called.
    """

    __slots__ = ("_clock", "_moved", "_name", "moment")

    def __init__(self, clock: Clock, name: str) -> None:
        self.moment = math.inf
        self._clock = clock
        self._name = name
        self._moved = asyncio.Event()

    def no_later_than(self, moment: float) -> None:
        """Wake at `moment`, unless it is to be earlier anyway."""
        if moment < self.moment:
            self.moment = moment
            self._moved.set()

    async def sleep_until(self, moment: float) -> None:
        """Return at `moment`, or at the earlier one that `no_later_than` was told."""
        self.moment = min(self.moment, moment)
        while (left := self.moment - self._clock.monotonic()) > 0:
            self._moved.clear()
            await self._first(min(left, _LONGEST))
        self.moment = math.inf

    async def _first(self, seconds: float) -> None:
        sleep = asyncio.create_task(self._clock.sleep(seconds), name=f"{self._name}: next")
        moved = asyncio.create_task(self._moved.wait(), name=f"{self._name}: earlier")
        try:
            await asyncio.wait((sleep, moved), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            moved.cancel()
            await asyncio.wait((sleep, moved))
