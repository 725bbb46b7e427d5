"""A subscriber's bounded buffer: who is too slow is told so, and never holds up others."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Self

from dskity.bus.delivery import Delivery
from dskity.bus.errors import Overloaded
from dskity.bus.message import Message

MAX_BYTES = 16 * 1024 * 1024
"""Payload bytes that may wait, whatever the number of messages."""


class Mailbox:
    """The messages that wait for one subscriber, at most `limit`.

    A message that does not fit ends the mailbox: what is in it is still read, without a gap, and
    then `Overloaded` is raised. Messages are acknowledged on arrival, because the broker's window
    is shared with every handler of this runtime.
    """

    def __init__(self, limit: int, max_bytes: int = MAX_BYTES) -> None:
        self._limit = limit
        self._max_bytes = max_bytes
        self._messages: deque[Message] = deque()
        self._bytes = 0
        self._full = False
        self._arrived = asyncio.Event()

    def accept(self, delivery: Delivery, captures: Mapping[str, str]) -> None:
        """Take one message; the bus calls it."""
        del captures
        size = len(delivery.payload)
        if self._full or not self._fits(size):
            self._full = True
        else:
            self._messages.append(delivery.message())
            self._bytes += size
        self._arrived.set()
        delivery.done()

    def _fits(self, size: int) -> bool:
        if not self._messages:
            return True
        return len(self._messages) < self._limit and self._bytes + size <= self._max_bytes

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        while not self._messages:
            if self._full:
                raise Overloaded(
                    f"the subscriber is too slow: more than {self._limit} messages "
                    f"(`grpc.stream_buffer`) or {self._max_bytes} bytes waited for it"
                )
            self._arrived.clear()
            await self._arrived.wait()
        message = self._messages.popleft()
        self._bytes -= len(message.payload)
        return message
