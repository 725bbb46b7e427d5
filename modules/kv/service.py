"""`clients.kv`: a store, with its checks, its events and its watchers."""

from __future__ import annotations

from typing import Any

from dskity.bus.background_publisher import BackgroundPublisher
from dskity.bus.bus import Bus
from dskity.bus.errors import InvalidSettings
from dskity.bus.message import Message
from dskity.modules.contract import Entry
from dskity.modules.kv.events import event_of
from dskity.modules.kv.last_values import Carrying, LastValues, Told
from dskity.modules.kv.store import Store
from dskity.modules.kv.values import MAX_TTL, MIN_TTL, check_key, check_ttl, check_version
from dskity.modules.kv.watch import Watch, Watchers

EVENTS = 16_384
"""Events that may wait for the broker; each takes about 250 bytes, and its value."""


class KeyValue:
    """See `dskity.modules.contract.KV`.

    It can be used before `start()`: until then nothing expires by itself (an expired key is not
    read all the same) and events wait. With `last_values` the store tells the last value of a key,
    and the event of its end carries it.
    """

    def __init__(
        self,
        store: Store,
        bus: Bus,
        *,
        default_ttl_seconds: float = 60.0,
        last_values: bool = False,
    ) -> None:
        try:
            self._default_ttl = check_ttl(default_ttl_seconds)
        except ValueError as error:
            raise InvalidSettings(
                f"kv.default_ttl_seconds {default_ttl_seconds!r}: write {MIN_TTL:g} to {MAX_TTL:g} "
                "seconds, or 0 for never"
            ) from error
        self._store = store
        self._watchers = Watchers()
        self._bus = bus
        self.events: BackgroundPublisher[Told] = BackgroundPublisher(
            bus, self._message_of, name="kv events", limit=EVENTS, durable=False
        )
        self._values = LastValues(bus, self.events.put)
        made = self._values.take if last_values else self.events.put
        store.listen(made, self._watchers.tell, self.events.room)

    async def check(self) -> str | None:
        """See `Check`: for readiness."""
        return self._store.trouble or None

    async def start(self) -> None:
        """Begin to expire keys and to publish events; returns at once."""
        self.events.start()
        await self._store.start()

    async def stop(self) -> None:
        """End what `start` began; watchers' iterations end too."""
        await self._store.stop()
        await self.events.close()
        self._watchers.close()

    async def get(self, key: str, default: Any = None) -> Any:
        """See `KV`."""
        check_key(key)
        return await self._store.get(key, default)

    async def put(
        self,
        key: str,
        value: Any,
        ttl_seconds: float | None = None,
        if_version: int | None = None,
    ) -> int:
        """See `KV`."""
        check_key(key)
        ttl = self._default_ttl if ttl_seconds is None else check_ttl(ttl_seconds)
        if if_version is not None:
            check_version(if_version)
        return await self._store.put(key, value, ttl, if_version)

    async def delete(self, key: str, if_version: int | None = None) -> bool:
        """See `KV`."""
        check_key(key)
        check_version(if_version)
        return await self._store.delete(key, if_version)

    async def keys(self, prefix: str = "") -> list[str]:
        """See `KV`."""
        return await self._store.keys(prefix)

    async def entry(self, key: str) -> Entry | None:
        """See `KV`."""
        check_key(key)
        return await self._store.entry(key)

    def watch(self, prefix: str = "") -> Watch:
        """See `KV`. The oldest of more than 1,000 unread changes are dropped."""
        return self._watchers.open(prefix)

    def _message_of(self, told: Told, at: float) -> Message:
        if isinstance(told, Carrying):
            return self._values.message(told, at)
        return self._bus.event_message(event_of(told), at)
