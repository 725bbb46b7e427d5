"""Each change as a lifecycle event: in order, by a task of its own, never by the caller."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math

from dskity.bus.bus import Bus
from dskity.bus.errors import DSkityError
from dskity.bus.events import Event

_LIMIT = 10_000
"""Events that may wait; each is a few hundred bytes."""
_LOG_EVERY = 60.0

log = logging.getLogger(__name__)


class EventFeed:
    """A bounded queue of events on their way to the bus; `lost` counts those that never got there.

    When it is full the oldest goes: who comes late wants to know how things stand now.
    """

    def __init__(self, bus: Bus, limit: int = _LIMIT) -> None:
        self.lost = 0
        self._bus = bus
        self._waiting: asyncio.Queue[Event] = asyncio.Queue(limit)
        self._logged_at = -math.inf

    def put(self, event: Event) -> None:
        """Publish `event` after those before it."""
        if self._waiting.full():
            self._waiting.get_nowait()
            self._waiting.task_done()
            self._lose("the broker is slower than the commands")
        self._waiting.put_nowait(event)

    async def run(self) -> None:
        """Publish what is put, until cancelled."""
        while True:
            event = await self._waiting.get()
            try:
                await self._bus.emit(event)
            except DSkityError as error:
                self._lose(str(error))
            finally:
                self._waiting.task_done()

    async def drain(self, seconds: float) -> None:
        """Return when all that waits is published, or after `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._waiting.join()

    def _lose(self, reason: str) -> None:
        self.lost += 1
        now = self._bus.clock.monotonic()
        if now - self._logged_at >= _LOG_EVERY:
            self._logged_at = now
            log.warning("command events lost: %d so far; the last one: %s", self.lost, reason)
