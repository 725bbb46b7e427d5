"""Callbacks at moments of a clock: keep-alives, delays of wills, ends of sessions."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from dskity.bus.base import tasks
from dskity.bus.base.alarm import Alarm
from dskity.bus.base.clock import Clock

_FEW = 1_000


@dataclass(slots=True, order=True)
class Timer:
    """One callback at `moment` (monotonic seconds); None once it was cancelled or called."""

    moment: float
    order: int
    callback: Callable[[], None] | None = field(compare=False)


class Timers:
    """A heap with one sleeper, `run`. What a callback raises is reported, and ends nothing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[Timer] = []
        self._order = itertools.count()
        self._alarm = Alarm(clock, "broker timers")
        self._cancelled = 0

    def __len__(self) -> int:
        return len(self._heap)

    def after(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` in so many seconds."""
        moment = self._clock.monotonic() + seconds
        timer = Timer(moment, next(self._order), callback)
        heapq.heappush(self._heap, timer)
        self._alarm.no_later_than(moment)
        return timer

    def cancel(self, timer: Timer | None) -> None:
        """Do not call it; nothing where it is None, was called, or was cancelled."""
        if timer is None or timer.callback is None:
            return
        timer.callback = None
        self._cancelled += 1
        if self._cancelled > _FEW and self._cancelled * 2 > len(self._heap):
            # A client that reconnects each second leaves one behind each time, for two weeks.
            self._heap = [kept for kept in self._heap if kept.callback is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    async def run(self) -> None:
        """Call what is due, for ever."""
        while True:
            await self._alarm.sleep_until(self._heap[0].moment if self._heap else math.inf)
            self.call_due()

    def call_due(self) -> None:
        """Call what is due now."""
        now = self._clock.monotonic()
        while self._heap and self._heap[0].moment <= now:
            timer = heapq.heappop(self._heap)
            callback, timer.callback = timer.callback, None
            if callback is None:
                self._cancelled = max(0, self._cancelled - 1)
            else:
                tasks.call("broker timer", callback)
