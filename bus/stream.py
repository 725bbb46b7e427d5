"""Messages as an async iterator: a bounded queue that drops the oldest, and counts them."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dskity.bus.delivery import Delivery
    from dskity.bus.message import Message


class MessageStream:
    """What `async with bus.stream(filter) as messages:` yields from; `dropped` counts the lost.

    A stream is for watching: a reader that is too slow loses the oldest messages, and never
    holds up anybody else. Messages are acknowledged on arrival.
    """

    def __init__(self, limit: int) -> None:
        self.dropped = 0
        self._limit = limit
        self._messages: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self._closed = False

    def accept(self, delivery: Delivery, captures: Mapping[str, str]) -> None:
        """Take one message; the bus calls it."""
        del captures
        if len(self._messages) >= self._limit:
            self._messages.popleft()
            self.dropped += 1
        self._messages.append(delivery.message())
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
        return self._messages.popleft()
