"""Callbacks at moments of a clock: keep-alives, delays of wills, ends of sessions."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from dskity.bus.base import tasks
from dskity.bus.base.clock import Clock
from dskity.bus.base.deadline_heap import DeadlineHeap

_SLICE = 1_000


@dataclass(slots=True, eq=False)
class Timer:
    """One callback; None once it was cancelled or called."""

    callback: Callable[[], None] | None


_Item: TypeAlias = tuple[float, int, Timer]
"""The moment, a number that orders timers of one moment, and the timer."""


class Timers:
    """Timers with one sleeper, `run`. What a callback raises is reported, and ends nothing.

    A client that reconnects each second leaves a cancelled timer behind each time, for two weeks;
    the heap removes them.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._order = itertools.count()
        self._heap: DeadlineHeap[_Item] = DeadlineHeap(clock, "broker timers", _is_live)

    def __len__(self) -> int:
        return len(self._heap)

    def after(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` in so many seconds."""
        timer = Timer(callback)
        self._heap.add((self._clock.monotonic() + seconds, next(self._order), timer))
        return timer

    def cancel(self, timer: Timer | None) -> None:
        """Do not call it; nothing where it is None, was called, or was cancelled."""
        if timer is not None and timer.callback is not None:
            timer.callback = None
            self._heap.outdated()

    async def run(self) -> None:
        """Call what is due, for ever."""
        while True:
            await self._heap.sleep()
            self.call_due()

    def call_due(self) -> None:
        """Call what is due now, 1,000 timers at most."""
        for _, _, timer in self._heap.due(_SLICE):
            callback, timer.callback = timer.callback, None
            if callback is not None:
                tasks.call("broker timer", callback)


def _is_live(item: _Item) -> bool:
    return item[2].callback is not None
