"""Messages as an async iterator: a bounded queue that drops the oldest, and counts them."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dskity.bus.delivery import Delivery
    from dskity.bus.message import Message


MAX_BYTES = 16 * 1024 * 1024
"""Payload bytes that may wait for one reader; one message may always wait, however large."""


class MessageStream:
    """What `async with bus.stream(filter) as messages:` yields from; `dropped` counts the lost.

    A stream is for watching: a reader that is too slow loses the oldest messages, and never
    holds up anybody else. Messages are acknowledged on arrival.
    """

    def __init__(self, limit: int, max_bytes: int = MAX_BYTES) -> None:
        self.dropped = 0
        self._limit = limit
        self._max_bytes = max_bytes
        self._bytes = 0
        self._messages: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self._closed = False

    def accept(self, delivery: Delivery, captures: Mapping[str, str]) -> None:
        """Take one message; the bus calls it."""
        del captures
        message = delivery.message()
        self._bytes += len(message.payload)
        self._messages.append(message)
        while len(self._messages) > self._limit or self._is_too_large():
            self._take()
            self.dropped += 1
        self._arrived.set()
        delivery.done()

    def close(self) -> None:
        """End the iteration once what has arrived is read."""
        self._closed = True
        self._arrived.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        while not self._messages:
            if self._closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._take()

    def _is_too_large(self) -> bool:
        return self._bytes > self._max_bytes and len(self._messages) > 1

    def _take(self) -> Message:
        message = self._messages.popleft()
        self._bytes -= len(message.payload)
        return message
