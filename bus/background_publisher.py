"""Publishing that neither blocks nor fails its caller: in order, as soon as the broker is there."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from dskity.bus.base import tasks
from dskity.bus.base.drop_oldest import DropOldest
from dskity.bus.base.throttled_log import Pace
from dskity.bus.base.wording import shown
from dskity.bus.bus import Bus
from dskity.bus.errors import DSkityError, NotConnected
from dskity.bus.message import Message

T = TypeVar("T")

LIMIT = 1_000
_AT_ONCE = 128
"""Publishes under way. One at a time, a broker's answer every 0.5 ms would be the limit; many more
would, begun in one turn, hold the event loop for longer than 5 ms."""
_RETRY = 0.2
_GRACE = 2.0

_logger = logging.getLogger(__name__)


def as_it_is(message: Message, at: float) -> Message:
    """The `message_of` of an announcer of messages."""
    del at  # whoever made the message has written it down, if it matters
    return message


class BackgroundPublisher(Generic[T]):
    """A bounded queue in front of a bus, and the task that empties it.

    `message_of` makes the message of an item and of the Unix time at which it was put. It is called
    when the message leaves: a producer pays for a place in the queue only.

    **Order.** Publishes begin in the order of `put`. Where the connection breaks, those under way
    are begun again, before any newer one; so an item may be published twice, and never overtakes.

    **Bound.** Of more than `limit` items the oldest go: who comes late wants to know how things
    stand now. `dropped` counts them, and those that the broker refuses; the log tells once a
    minute, with the `name` of what is announced.

    While the broker is away a `durable` announcer hands on to the bus's outbox, if it has one.
    Others let their items wait here: what can come in floods must not fill the disk.
    """

    def __init__(
        self,
        bus: Bus,
        message_of: Callable[[T, float], Message],
        *,
        name: str,
        limit: int = LIMIT,
        durable: bool = True,
    ) -> None:
        self.dropped = 0
        self._bus = bus
        self._message_of = message_of
        self._name = name
        self._durable = durable
        self._time = bus.clock.time
        self._waiting: DropOldest[tuple[T, float]] = DropOldest(limit)
        self._flying: dict[int, tuple[T, float]] = {}
        self._numbers = itertools.count()
        self._connection: tuple[int, bool] | None = None
        self._room = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._pace = Pace(bus.clock)

    def start(self) -> None:
        """Begin to publish what waits."""
        if self._task is None:
            self._task = tasks.keep_running(self._run, name=self._name, clock=self._bus.clock)

    def put(self, item: T) -> None:
        """Have `item` published after those that were put before it."""
        if self._waiting.put((item, self._time())):
            self._overflow(1)

    async def send(self, item: T) -> None:
        """Publish now where nothing waits and it can be done; else as `put` does.

        Raises what the broker says against this message.
        """
        if self._open and not self._waiting and not self._flying:
            with contextlib.suppress(NotConnected):
                await self._bus.send(self._message_of(item, self._time()))
                return
        self.put(item)

    async def room(self) -> None:
        """Return, after a turn of the event loop, when the queue is at most half full: who awaits
        this after each bunch of a flood has none of it dropped.

        At once while nothing can be published, or where others overrun the queue all the same.
        """
        await asyncio.sleep(0)
        if self._task is not None and self._open and self._is_crowded:
            self._room.clear()
            await self._room.wait()

    async def close(self, grace: float = _GRACE) -> None:
        """End; what waits has `grace` seconds to leave, unless nothing can be published."""
        if self._task is None:
            return
        task, self._task = self._task, None
        self._waiting.close()
        if self._open:
            await asyncio.wait((task,), timeout=grace)
        task.cancel()
        await asyncio.wait((task,))
        self._waiting.reopen()
        self._room.set()
        self._put_back()
        if self._waiting:
            _logger.warning("%s: %d were not published", self._name, len(self._waiting))

    @property
    def _open(self) -> bool:
        return self._bus.keeps if self._durable else self._bus.connected

    @property
    def _is_crowded(self) -> bool:
        return len(self._waiting) > self._waiting.limit // 2

    async def _run(self) -> None:
        self._put_back()  # what an earlier run, which failed, had under way
        while await self._waiting.wait():
            if not self._open:
                self._room.set()
                await self._bus.link.up()
            await self._publish_all()
            if self._flying:
                self._put_back()
                await self._bus.clock.sleep(_RETRY)

    async def _publish_all(self) -> None:
        """Publish until nothing waits, or the connection is another one than at the beginning.

        What is left in `_flying` was not accepted; all newer items are still in the queue.
        """
        self._connection = self._present_connection()
        slots = asyncio.Semaphore(_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            while self._waiting and self._connection == self._present_connection():
                await slots.acquire()
                number = next(self._numbers)
                self._flying[number] = self._waiting.take()
                if not self._is_crowded:
                    self._room.set()
                group.create_task(self._publish(number, slots), name=self._name)

    async def _publish(self, number: int, slots: asyncio.Semaphore) -> None:
        try:
            if self._connection != self._present_connection():
                return
            await self._bus.send(self._message_of(*self._flying[number]))
        except NotConnected:
            self._connection = None
            return
        except DSkityError as error:
            self._drop(str(error))
        except BaseException as error:  # a fault in one message must not silence those behind it
            if tasks.is_ending():
                raise
            self._drop(shown(error))
            _logger.exception("%s: a message could not be created or published", self._name)
        finally:
            slots.release()
        del self._flying[number]

    def _present_connection(self) -> tuple[int, bool]:
        return self._bus.link.connections, self._bus.connected

    def _put_back(self) -> None:
        """What was under way is the oldest: it goes first."""
        gone = self._waiting.put_back(self._flying.values())
        self._flying.clear()
        if gone:
            self._overflow(gone)

    def _overflow(self, count: int) -> None:
        self._room.set()
        self._drop("the broker is away, or too slow: dropping the oldest", count)

    def _drop(self, reason: str, count: int = 1) -> None:
        self.dropped += count
        if self._pace.is_due():
            _logger.warning(
                "%s dropped: %d so far; the last one: %s", self._name, self.dropped, reason
            )
