"""Messages as an async iterator: a bounded queue that drops the oldest, and counts them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from dskity.bus.base.drop_oldest import DropOldest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dskity.bus.delivery import Delivery
    from dskity.bus.message import Message


MAX_BYTES = 16 * 1024 * 1024
"""Payload bytes that may wait for one reader; one message may always wait, however large."""


class MessageStream:
    """What `async with bus.stream(filter) as messages:` yields from; `dropped` counts the lost.

    A stream is for monitoring: a slow reader loses the oldest messages, and does not delay other
    subscribers. Messages are acknowledged on arrival.
    """

    def __init__(self, limit: int, max_bytes: int = MAX_BYTES) -> None:
        self._messages: DropOldest[Message] = DropOldest(
            limit, max_bytes=max_bytes, size_of=_size_of
        )

    @property
    def dropped(self) -> int:
        """How many messages the reader has lost."""
        return self._messages.dropped

    def accept(self, delivery: Delivery, captures: Mapping[str, str]) -> None:
        """Take one message; the bus calls it."""
        del captures
        self._messages.put(delivery.message())
        delivery.done()

    def close(self) -> None:
        """End the iteration once what has arrived is read."""
        self._messages.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        if not await self._messages.wait():
            raise StopAsyncIteration
        return self._messages.take()


def _size_of(message: Message) -> int:
    return len(message.payload)
