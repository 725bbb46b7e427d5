"""Publishing that neither blocks nor fails its caller: in order, as soon as the broker is there."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from dskity.bus.bus import Bus
from dskity.bus.errors import DSkityError, NotConnected
from dskity.bus.message import Message

_logger = logging.getLogger(__name__)
LIMIT = 1000
"""Messages that wait for the broker; beyond it the oldest is dropped, and counted."""


class Announcer:
    """A bounded queue in front of a bus, and the task that empties it."""

    def __init__(self, bus: Bus, limit: int = LIMIT) -> None:
        self.dropped = 0
        self._bus = bus
        self._queue: asyncio.Queue[Message] = asyncio.Queue(limit)
        self._unsent = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to publish what waits."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="announcer")

    def put(self, message: Message) -> None:
        """Have `message` published after those that were put before it."""
        if self._queue.full():
            self._drop()
        self._queue.put_nowait(message)
        self._unsent += 1

    async def send(self, message: Message) -> None:
        """Publish now where nothing waits and the broker is there; else as `put` does."""
        if not self._unsent and self._bus.connected:
            with contextlib.suppress(NotConnected):
                await self._bus.send(message)
                return
        self.put(message)

    async def close(self, grace: float = 2.0) -> None:
        """End; while the broker is there, what waits has `grace` seconds to leave."""
        if self._task is None:
            return
        if self._bus.connected:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._queue.join(), grace)
        self._task.cancel()
        await asyncio.wait([self._task])
        self._task = None
        if self._unsent:
            _logger.warning("%d messages were not published: the broker is away", self._unsent)

    async def _run(self) -> None:
        while True:
            await self._publish(await self._queue.get())
            self._unsent -= 1
            self._queue.task_done()

    async def _publish(self, message: Message) -> None:
        while True:
            try:
                await self._bus.send(message)  # waits for the broker, `publish_timeout` each time
            except NotConnected:
                continue
            except DSkityError as error:
                _logger.warning("%s could not be published: %s", message.topic, error)
            return

    def _drop(self) -> None:
        lost = self._queue.get_nowait()
        self._queue.task_done()
        self._unsent -= 1
        if self.dropped == 0:
            _logger.warning(
                "%d messages wait for the broker: dropping the oldest (%s) from now on",
                self._queue.maxsize,
                lost.topic,
            )
        self.dropped += 1
