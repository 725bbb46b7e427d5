"""Times of messages on the disk, told by the monotonic clock.

A box without a battery for its clock boots in the past, and when its wall clock is set, what it has
just published must not be old. The stamps on the disk, which the next process reads, are then moved
by as much.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from dskity.bus.base.clock import Clock
from dskity.bus.errors import StoreUnavailable

_STEP = 5.0  # seconds by which the wall clock was set; less is its ordinary correction


class Stamps:
    """`offset`, in seconds, is what wall-clock stamps have beyond the monotonic clock. `move` moves
    all stamps on the disk."""

    def __init__(self, clock: Clock, move: Callable[[float], Awaitable[None]]) -> None:
        self.offset = clock.time() - clock.monotonic()
        self._clock = clock
        self._move = move

    @property
    def now(self) -> float:
        """The stamp of this moment, in seconds."""
        return self._clock.monotonic() + self.offset

    async def follow_the_clock(self) -> None:
        """Move the stamps on the disk when the wall clock was set."""
        step = self._clock.time() - self._clock.monotonic() - self.offset
        if abs(step) < _STEP:
            return
        self.offset += step  # what is asked of the disk from now on sees the stamps moved
        try:
            await self._move(step)
        except StoreUnavailable:
            self.offset -= step
            raise
