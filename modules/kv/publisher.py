"""Changes as lifecycle events on the bus: in order, by a task of its own, never by the writer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import deque

from dskity.bus.bus import Bus
from dskity.bus.errors import DSkityError, NotConnected, Unavailable
from dskity.bus.events import KvChanged, KvDeleted, KvExpired, KvSet
from dskity.modules.kv.store import StoreChange
from dskity.modules.tasks import Tasks

LIMIT = 16_384
"""Events that may wait, of about 250 bytes each; then the oldest goes, and is counted."""
_BATCH = 64
"""Events under way at once. One at a time, a broker's answer every 0.5 ms would be the limit."""
_RETRY = 0.2
_LOG_EVERY = 60.0
_LAST_WORDS = 1.0

_EVENTS: dict[str, type[KvChanged]] = {"set": KvSet, "deleted": KvDeleted, "expired": KvExpired}

log = logging.getLogger(__name__)


class EventPublisher:
    """A bounded queue of changes on their way to the bus; `dropped` counts those that were lost.

    Events wait while the broker is away. Where the connection breaks, what was under way is sent
    again, so an event may come twice (with one id) or after its successor (which has the higher
    version).
    """

    def __init__(self, bus: Bus, limit: int = LIMIT) -> None:
        self.dropped = 0
        self._bus = bus
        self._limit = limit
        self._half = limit // 2
        self._waiting: deque[StoreChange] = deque()
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._room = asyncio.Event()
        self._room.set()
        self._logged_at = -math.inf
        self._running = False
        self._tasks = Tasks(log)

    def add(self, change: StoreChange) -> None:
        """Publish `change` after those before it."""
        waiting = self._waiting
        count = len(waiting)
        if count == 0:
            self._arrived.set()
            self._idle.clear()
        elif count == self._half:
            self._room.clear()
        elif count >= self._limit:
            waiting.popleft()
            self._room.set()
            self._drop("the broker is away, or slower than the writers")
        waiting.append(change)

    async def room(self) -> None:
        """Return when the queue is at most half full: many keys that expire at once are published
        one after the other, and none is dropped.

        At once while the broker is away, or where writers alone overrun it (the queue is full):
        then waiting would only keep dead keys in memory.
        """
        await asyncio.sleep(0)
        if self._running and self._bus.connected:
            await self._room.wait()

    def start(self) -> None:
        """Begin to publish."""
        if not self._running:
            self._running = True
            self._tasks.spawn(self._run(), "kv: events")

    async def stop(self) -> None:
        """Publish what waits, for a second at most and only if there is a broker, then end."""
        if self._running and self._bus.connected:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORDS):
                    await self._idle.wait()
        self._running = False
        await self._tasks.close()

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            await self._connected()
            count = min(len(self._waiting), _BATCH)
            batch = [self._waiting.popleft() for _ in range(count)]
            again = await self._publish(batch)
            self._waiting.extendleft(reversed(again))
            if len(self._waiting) <= self._half:
                self._room.set()
            if again:
                await self._bus.clock.sleep(_RETRY)
            if not self._waiting:
                self._arrived.clear()
                self._idle.set()

    async def _connected(self) -> None:
        while not self._bus.connected:
            self._room.set()
            with contextlib.suppress(NotConnected):
                await self._bus.link.wait_connected(_LOG_EVERY)

    async def _publish(self, batch: list[StoreChange]) -> list[StoreChange]:
        """Publish some at once; those that are to be tried again."""
        sent = [
            asyncio.create_task(self._emit(change), name=f"kv: event of {change.key}")
            for change in batch
        ]
        accepted = await asyncio.gather(*sent)
        return [change for change, done in zip(batch, accepted, strict=True) if not done]

    async def _emit(self, change: StoreChange) -> bool:
        """Whether the event needs no other try."""
        try:
            await self._bus.emit(_event(change))
        except Unavailable:
            return False
        except DSkityError as error:  # the broker will not have this one, now or ever
            self._drop(str(error))
        return True

    def _drop(self, reason: str) -> None:
        self.dropped += 1
        now = self._bus.clock.monotonic()
        if now - self._logged_at >= _LOG_EVERY:
            self._logged_at = now
            log.warning("kv events dropped: %d so far; the last one: %s", self.dropped, reason)


def _event(change: StoreChange) -> KvChanged:
    kind, key, version, previous, ttl, _ = change
    return _EVENTS[kind](key, version, previous, ttl, "ttl" if kind == "expired" else "api")
