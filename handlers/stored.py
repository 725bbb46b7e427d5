"""`ack="stored"`: the disk inbox of one route, between the wire and its handler.

Under `handled` a slow handler holds the broker's window for everything behind it, for PUBACKs leave
in arrival order ([MQTT-4.6.0-2]). Here a message is written to the disk, acknowledged, and then
handled from there; it leaves the disk when it is handled. What a crash left is handled at the
next start, with the duplicate flag.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from dskity.bus.base.clock import Clock
from dskity.bus.base.tasks import keep_running
from dskity.bus.base.throttled_log import ThrottledLog
from dskity.bus.delivery import Delivery
from dskity.bus.errors import OutboxFull, StoreUnavailable
from dskity.bus.store.rows import Stored
from dskity.bus.store.spool import Spool

if TYPE_CHECKING:
    from dskity.bus.topics import Pattern
    from dskity.handlers.in_flight import InFlightLimit
    from dskity.handlers.route import HandlerRoute

_BATCH = 500  # messages written together
_MOST_BYTES = 16 * 1024 * 1024  # begun of one route, and a page more
_PAUSE = 1.0  # seconds before another try to write: the disk may get room again
_logger = logging.getLogger(__name__)


class StoredRoute:
    """A `Consumer` in front of a `HandlerRoute`. `flow` counts what waits for the disk, `inside`
    what the handler has from there: that must not hold up the wire."""

    def __init__(
        self,
        route: HandlerRoute,
        pattern: Pattern,
        spool: Spool,
        in_flight: InFlightLimit,
        inside: InFlightLimit,
        clock: Clock,
        live: dict[StoredRoute, None],
    ) -> None:
        self._route = route
        self._pattern = pattern
        self._spool = spool
        self._in_flight = in_flight
        self._inside = inside
        self._clock = clock
        self._throttled = ThrottledLog(_logger, clock)
        self._inbox_complaints = ThrottledLog(_logger, clock)
        self._live = live
        self._lane = route.identity
        self._window = 2 * route.policy.concurrency
        self._arrived: deque[Delivery] = deque()
        self._askers: dict[str, asyncio.Task[Any]] = {}
        self._handled: list[int] = []
        self._last = 0
        self._stopping = False
        self._to_store, self._to_handle = asyncio.Event(), asyncio.Event()
        self._all_stored = asyncio.Event()
        self._all_stored.set()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def qos(self) -> int:
        """See `Consumer`."""
        return self._route.qos

    @property
    def group(self) -> str | None:
        """See `Consumer`."""
        return self._route.group

    @property
    def best_effort(self) -> bool:
        """See `Consumer`."""
        return self._route.best_effort

    @property
    def answers(self) -> bool:
        """See `Consumer`."""
        return self._route.answers

    def open(self) -> None:
        """See `Consumer`."""
        self._live[self] = None
        self._route.open()
        self._stopping = False
        self._tasks = [
            keep_running(work, name=f"inbox {self._lane}: {name}", clock=self._clock)
            for name, work in (("store", self._store), ("handle", self._handle))
        ]
        self._to_handle.set()  # what an earlier process, or an earlier time, left

    def accept(self, delivery: Delivery, captures: Mapping[str, str]) -> None:
        """See `Consumer`: it waits for the disk, and is acknowledged then."""
        del captures  # computed again from the topic
        self._arrived.append(delivery)  # first of all: from here on it is ours to acknowledge
        meta = delivery.meta
        if meta is not None and meta.asker is not None and meta.reply_to is not None:
            self._askers[meta.reply_to] = meta.asker  # no disk keeps it, and its request needs it
        self._all_stored.clear()
        self._to_store.set()
        self._in_flight.enter(
            len(delivery.payload), 1
        )  # at the bound the wire waits, also at QoS 0

    async def drain(self) -> None:
        """See `Consumer`: store what has arrived, end what is being handled; the rest stays on
        the disk."""
        self._stopping = True
        try:
            await self._all_stored.wait()
            await self._route.drain()
            await self._forget_handled()
        except StoreUnavailable as error:
            _logger.warning("messages of %s will be handled again: %s", self._lane, error)
        finally:
            await self.close()

    async def close(self) -> None:
        """Stop at once; what is not handled stays on the disk."""
        for task in self._tasks:
            task.cancel()
        # Suppressing CancelledError round `await task` would swallow our own cancellation too.
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        self._askers.clear()
        self._live.pop(self, None)

    async def _store(self) -> None:
        self._to_store.set()  # what an earlier run, which failed, has left
        while True:
            await self._to_store.wait()
            self._to_store.clear()
            while self._arrived:
                for _ in range(await self._write(list(islice(self._arrived, _BATCH)))):
                    delivery = self._arrived.popleft()
                    self._in_flight.leave(len(delivery.payload))
                    delivery.done()
                self._to_handle.set()
            self._all_stored.set()

    async def _write(self, batch: list[Delivery]) -> int:
        """Write as much of the batch as fits, however long it takes until something does; how
        many. Until then nothing is acknowledged, nor read."""
        messages = [delivery.message() for delivery in batch]
        while True:
            try:
                await self._spool.put(messages, self._clock.time(), self._lane, any_size=True)
            except Exception as error:  # noqa: BLE001  # without this task nothing is acknowledged
                if isinstance(error, OutboxFull) and len(messages) > 1:
                    del messages[len(messages) // 2 :]
                    continue
                self._throttled.warn(f"messages of {self._lane} are not acknowledged: {error!r}")
                await self._clock.sleep(_PAUSE)
            else:
                return len(messages)

    async def _handle(self) -> None:
        self._to_handle.set()
        while True:
            await self._to_handle.wait()
            self._to_handle.clear()
            # What cannot be deleted, on a full disk, holds up nothing that can be read.
            deleted = await self._tried(self._forget_handled, "cannot be written")
            read = await self._tried(self._begin_more, "cannot be read")
            if not (deleted and read):
                await self._clock.sleep(_PAUSE)
                self._to_handle.set()

    async def _tried(self, step: Callable[[], Awaitable[None]], failure: str) -> bool:
        """Whether it could be done; the log says once a minute that not, and why."""
        try:
            await step()
        except Exception as error:  # noqa: BLE001  # without this task nothing is handled
            self._inbox_complaints.warn(f"the inbox of {self._lane} {failure}: {error!r}")
            return False
        return True

    async def _begin_more(self) -> None:
        room = self._window - self._inside.messages
        if self._stopping or self._inside.bytes > _MOST_BYTES:
            return
        if self._askers:  # a handler that has its place here waits for one that is on the disk
            room = max(room, len(self._askers))
            self._to_handle.set()
        elif room < self._window // 2:
            return  # half at a time: a page for every message would cost a query for each
        for stored in await self._spool.page(self._last, room, self._lane):
            if self._stopping:
                return
            self._last = stored.id
            delivery = self._delivery(stored)
            self._route.accept(delivery, self._pattern.capture(delivery.topic))

    def _delivery(self, stored: Stored) -> Delivery:
        message = stored.at(self._clock.time())
        asker = self._askers.pop(message.reply_to, None) if message.reply_to else None
        delivery = Delivery.of(message, partial(self._end, stored.id), asker=asker)
        delivery.duplicate = message.duplicate or stored.id <= self._spool.found_to
        return delivery

    def _end(self, id: int) -> None:
        self._handled.append(id)
        self._to_handle.set()

    async def _forget_handled(self) -> None:
        handled, self._handled = self._handled, []
        if handled:
            try:
                await self._spool.remove(handled)
            except StoreUnavailable:
                self._handled += handled  # another time
                raise
