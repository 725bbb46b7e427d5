"""The store in this process: `kv.store: inmemory`. What it keeps ends with the runtime."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from functools import partial
from typing import Any, Final, Literal, TypeAlias

from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.base.deadline_heap import DeadlineHeap
from dskity.modules.clients.tasks import Tasks
from dskity.modules.contract import Entry
from dskity.modules.kv.store import Listener, Pace, StoreChange, conflict
from dskity.modules.kv.values import Frozen, freeze, thaw

_Item: TypeAlias = tuple[float, str, int, Frozen, float | None]
"""Deadline, key, version, value, time to live. One tuple serves the table and the heap, which is
most of what keeps a key small; two items are ordered by deadline and key, and never by value,
since a key has each version once."""
_DEADLINE: Final = 0
_KEY: Final = 1
_VERSION: Final = 2
_VALUE: Final = 3
_TTL: Final = 4

_SLICE = 1_000
"""Keys that expire before the event loop gets a turn: about 2 ms."""
_TOGETHER = 0.002
"""Seconds between two looks at what is due: with many keys a wake-up for each would be half of the
cost. A key after a quiet time ends at its own moment."""

log = logging.getLogger(__name__)


def _no_listener(change: StoreChange) -> None:
    """What is told before anybody listens goes nowhere."""
    del change


class MemoryStore:
    """See `Store`. Deadlines run on the clock's monotonic time; one sleeper waits for the next one.

    A key that was written again or deleted leaves its old item in the heap; once these are more
    than half of it, it is rebuilt.
    """

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._id = secrets.token_hex(8)
        self._clock = clock
        self._now = clock.monotonic
        self._items: dict[str, _Item] = {}
        self._heap: DeadlineHeap[_Item] = DeadlineHeap(clock, "kv expiry", self._is_live)
        self._floor = 0
        self._running = False
        self._tasks = Tasks(log)
        self._made: Listener = _no_listener
        self._seen: Listener = _no_listener
        self._pace: Pace = partial(asyncio.sleep, 0)

    def listen(self, made: Listener, seen: Listener, pace: Pace) -> None:
        """See `Store`."""
        self._made, self._seen, self._pace = made, seen, pace

    @property
    def trouble(self) -> str:
        """See `Store`: there is no server that could be away."""
        return ""

    async def start(self) -> None:
        """See `Store`."""
        if not self._running:
            self._running = True
            self._tasks.keep_running(self._expire_for_ever, "kv: expiry", self._clock)

    async def stop(self) -> None:
        """See `Store`."""
        self._running = False
        await self._tasks.close()

    async def get(self, key: str, default: Any) -> Any:
        """See `Store`."""
        item = self._items.get(key)
        if item is None or item[_DEADLINE] <= self._now():
            return default
        return thaw(item[_VALUE])

    async def entry(self, key: str) -> Entry | None:
        """See `Store`."""
        item = self._items.get(key)
        now = self._now()
        if item is None or item[_DEADLINE] <= now:
            return None
        left = None if item[_TTL] is None else item[_DEADLINE] - now
        return Entry(key, thaw(item[_VALUE]), item[_VERSION], left)

    async def put(self, key: str, value: Any, ttl: float | None, if_version: int | None) -> int:
        """See `Store`."""
        frozen = freeze(value)
        now = self._now()
        old = self._items.get(key)
        if old is not None and old[_DEADLINE] <= now:
            self._expire(old)
            old = None
        present = 0 if old is None else old[_VERSION]
        if if_version is not None and if_version != present:
            raise conflict(key, present, if_version)
        version = (present or self._floor) + 1
        deadline = math.inf if ttl is None else now + ttl
        item = (deadline, key, version, frozen, ttl)
        self._items[key] = item
        if ttl is not None:
            self._heap.add(item)
        if old is not None and old[_TTL] is not None:
            self._heap.outdated()
        self._tell(StoreChange("set", key, version, present, ttl, frozen, self._id))
        return version

    async def delete(self, key: str, if_version: int | None) -> bool:
        """See `Store`."""
        item = self._items.get(key)
        if item is not None and item[_DEADLINE] <= self._now():
            self._expire(item)
            item = None
        present = 0 if item is None else item[_VERSION]
        if if_version is not None and if_version != present:
            raise conflict(key, present, if_version)
        if item is None:
            return False
        self._end(item, "deleted")
        if item[_TTL] is not None:
            self._heap.outdated()
        return True

    async def keys(self, prefix: str) -> list[str]:
        """See `Store`."""
        now = self._now()
        return sorted(
            key
            for key, item in self._items.items()
            if key.startswith(prefix) and item[_DEADLINE] > now
        )

    def _tell(self, change: StoreChange) -> None:
        self._made(change)
        self._seen(change)

    def _end(self, item: _Item, kind: Literal["deleted", "expired"]) -> None:
        version = item[_VERSION]
        del self._items[item[_KEY]]
        self._floor = max(self._floor, version)
        ended = StoreChange(kind, item[_KEY], version, version, item[_TTL], None, self._id)
        self._tell(ended)

    def _expire(self, item: _Item) -> None:
        """End a key whose time is over before its turn in the heap has come."""
        self._end(item, "expired")
        self._heap.outdated()

    def _is_live(self, item: _Item) -> bool:
        return self._items.get(item[_KEY]) is item

    async def _expire_for_ever(self) -> None:
        while True:
            if self._expire_due():
                await self._pace()
            else:
                await self._heap.sleep(at_least=_TOGETHER)

    def _expire_due(self) -> bool:
        """Expire the first keys that are due; whether there may be more."""
        for item in self._heap.due(_SLICE):
            self._end(item, "expired")
        return self._heap.next_deadline <= self._now()
