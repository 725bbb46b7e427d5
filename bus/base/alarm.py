"""A sleep until a moment that may be brought forward: one sleeper for any number of deadlines."""

from __future__ import annotations

import asyncio
import math

from dskity.bus.base.clock import Clock
from dskity.bus.base.tasks import spawn

_LONGEST = 86_400.0
"""A day: an event loop takes no infinite timer."""


class Alarm:
    """One sleeper, and the moment (monotonic seconds of the clock) at which it wakes.

    `moment` is infinite while nothing is awaited; what brings it forward between two sleeps counts
    for the next one, so that nothing is overslept. `name` is what its task is called.
    """

    __slots__ = ("_clock", "_name", "_sleep", "moment")

    def __init__(self, clock: Clock, name: str) -> None:
        self.moment = math.inf
        self._clock = clock
        self._name = name
        self._sleep: asyncio.Task[None] | None = None

    def no_later_than(self, moment: float) -> None:
        """Wake at `moment`, unless it is to be earlier anyway."""
        if moment < self.moment:
            self.moment = moment
            if self._sleep is not None:
                self._sleep.cancel()

    async def sleep_until(self, moment: float) -> None:
        """Return at `moment`, or at the earlier one that `no_later_than` was told."""
        self.moment = min(self.moment, moment)
        while (left := self.moment - self._clock.monotonic()) > 0:
            await self._nap(min(left, _LONGEST))
        self.moment = math.inf

    async def _nap(self, seconds: float) -> None:
        """Sleep, or be woken: by the end of the task that sleeps for us."""
        sleep = self._sleep = spawn(self._clock.sleep(seconds), name=self._name, awaited=True)
        try:
            await asyncio.wait((sleep,))
            if not sleep.cancelled():
                sleep.result()
        except asyncio.CancelledError:
            sleep.cancel()
            await asyncio.wait((sleep,))
            raise
        finally:
            self._sleep = None
