"""A bounded queue for one reader that may be slow: the oldest items go, and are counted."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class DropOldest(Generic[T]):
    """At most `limit` items, and of several items at most `max_bytes` by `size_of`.

    One item always fits, however large. `dropped` counts what went. `put` never waits, so that a
    slow reader holds up nobody.
    """

    def __init__(
        self,
        limit: int,
        *,
        max_bytes: float = math.inf,
        size_of: Callable[[T], int] | None = None,
    ) -> None:
        self.dropped = 0
        self.bytes = 0
        self.limit = limit
        self._max_bytes = max_bytes
        self._size_of = size_of
        self._items: deque[T] = deque()
        self._arrived = asyncio.Event()
        self._closed = False

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> int:
        """Add the newest item; the number of old ones that went for it."""
        items = self._items
        items.append(item)
        if self._size_of is not None:
            self.bytes += self._size_of(item)
        waiting = len(items)
        if waiting == 1:  # else the reader has something to take, and does not wait
            self._arrived.set()
        if waiting > self.limit or self.bytes > self._max_bytes:
            return self._make_room()
        return 0

    def put_back(self, items: Iterable[T]) -> int:
        """Add items, in their order, before all that wait; the number that went for them."""
        returned = list(items)
        self._items.extendleft(reversed(returned))
        if self._size_of is not None:
            self.bytes += sum(map(self._size_of, returned))
        if self._items:
            self._arrived.set()
        return self._make_room()

    def take(self) -> T:
        """The oldest item; `IndexError` where none waits."""
        item = self._items.popleft()
        if self._size_of is not None:
            self.bytes -= self._size_of(item)
        return item

    async def wait(self) -> bool:
        """Return True once an item waits; False once none does and the queue is closed."""
        while not self._items:
            if self._closed:
                return False
            self._arrived.clear()
            await self._arrived.wait()
        return True

    def close(self) -> None:
        """Let the reader end when it has taken what waits."""
        self._closed = True
        self._arrived.set()

    def reopen(self) -> None:
        """Let a reader wait for more again."""
        self._closed = False

    def _make_room(self) -> int:
        items, gone = self._items, 0
        while len(items) > self.limit or (self.bytes > self._max_bytes and len(items) > 1):
            oldest = items.popleft()
            if self._size_of is not None:
                self.bytes -= self._size_of(oldest)
            gone += 1
        self.dropped += gone
        return gone
