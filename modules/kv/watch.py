"""Changes as async iterators: a bounded queue for each watcher, which drops the oldest."""

from __future__ import annotations

import weakref
from typing import Self

from dskity.bus.base.drop_oldest import DropOldest
from dskity.modules.contract import Change
from dskity.modules.kv.store import StoreChange
from dskity.modules.kv.values import thaw

LIMIT = 1_000


class Watch:
    """The changes of the keys under a prefix, from its making on; `dropped` counts the lost.

    A watcher that is too slow loses the oldest changes and never holds up a writer. It ends with
    `aclose`, or with the last reference to it.
    """

    def __init__(self, prefix: str, limit: int = LIMIT) -> None:
        self.prefix = prefix
        self._changes: DropOldest[StoreChange] = DropOldest(limit)
        self._closed = False

    @property
    def dropped(self) -> int:
        """How many changes the watcher has lost."""
        return self._changes.dropped

    def add(self, change: StoreChange) -> None:
        """Take a change, if it is one of ours."""
        if not self._closed and change.key.startswith(self.prefix):
            self._changes.put(change)

    async def aclose(self) -> None:
        """End the iteration once what has arrived is read."""
        self.close()

    def close(self) -> None:
        """As `aclose`."""
        self._closed = True
        self._changes.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Change:
        if not await self._changes.wait():
            raise StopAsyncIteration
        change = self._changes.take()
        value = thaw(change.value) if change.kind == "set" else None
        return Change(change.kind, change.key, change.version, value)


class Watchers:
    """All who watch one store."""

    def __init__(self) -> None:
        self._watches: weakref.WeakSet[Watch] = weakref.WeakSet()
        self._any = False

    def open(self, prefix: str) -> Watch:
        """A new watch."""
        watch = Watch(prefix)
        self._watches.add(watch)
        self._any = True
        return watch

    def tell(self, change: StoreChange) -> None:
        """Hand a change to all whose prefix it has."""
        if not self._any:  # a walk over an empty weak set would double the cost of a write
            return
        for watch in self._watches:
            watch.add(change)
        self._any = bool(self._watches)

    def close(self) -> None:
        """End all iterations."""
        for watch in self._watches:
            watch.close()
