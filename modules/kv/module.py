"""The module `kv`: the store's life, and its place on the bus."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, ClassVar

from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.bus import Bus
from dskity.bus.errors import InvalidSettings, StoreUnavailable
from dskity.modules.clients.tasks import Tasks
from dskity.modules.contract import KV, Module, ModuleMeta, TransportClients
from dskity.modules.kv.memory_store import MemoryStore
from dskity.modules.kv.provided_store import ProvidedStore
from dskity.modules.kv.requests import KvRequests
from dskity.modules.kv.service import KeyValue
from dskity.modules.kv.store import Store

STORES = ("inmemory", "redis")
SHARED_STORES = ("redis",)
"""Those that several runtimes can have in common."""

log = logging.getLogger(__name__)


def build_kv(
    store: str,
    *,
    bus: Bus,
    default_ttl_seconds: float = 60.0,
    last_values: bool = False,
    redis_url: str = "redis://127.0.0.1:6379/0",
    redis_key_prefix: str = "dskity",
    clock: Clock = SYSTEM_CLOCK,
) -> KeyValue:
    """`clients.kv` over the named store; `InvalidSettings` where there is no such store."""
    made: Store
    if store == "inmemory":
        made = MemoryStore(clock, last_values=last_values)
    elif store == "redis":
        # Importing the client takes 0.1 s, which a runtime without Redis need not wait for.
        from dskity.modules.kv.redis_store import RedisStore  # noqa: PLC0415

        made = RedisStore(
            redis_url,
            key_prefix=redis_key_prefix,
            may_sweep=lambda: bus.connected,
            last_values=last_values,
            clock=clock,
        )
    else:
        raise InvalidSettings(
            f"kv.store {store!r}: there are {' and '.join(STORES)}; a module of its name may "
            "provide it"
        )
    return KeyValue(made, bus, default_ttl_seconds=default_ttl_seconds, last_values=last_values)


def provided_kv(
    store: str,
    clients: TransportClients,
    *,
    bus: Bus,
    default_ttl_seconds: float = 60.0,
    last_values: bool = False,
) -> KeyValue:
    """`clients.kv` over the store that the module of that name provides under its name."""
    found = clients.all(Store).get(store)
    if found is None:
        raise InvalidSettings(
            f"kv.store {store!r}: the module {store!r} provides no such store: "
            f"clients.provide(KvStore, factory, name={store!r}) in its `register` does"
        )
    contained = ProvidedStore(found, store, bus.clock)
    return KeyValue(
        contained, bus, default_ttl_seconds=default_ttl_seconds, last_values=last_values
    )


class KvModule(Module):
    """Starts and stops the store that is `clients.kv`, and opens it to the bus.

    `kv` is the service, or makes it when the module is registered, after those of `depends_on`.
    """

    meta: ModuleMeta  # type: ignore[misc]  # of each instance
    provides: ClassVar[tuple[type, ...]] = (KV,)

    def __init__(
        self,
        kv: KeyValue | Callable[[TransportClients], KeyValue],
        depends_on: tuple[str, ...] = (),
    ) -> None:
        self.meta = ModuleMeta(name="kv", base_path="/kv", depends_on=depends_on)
        self._make = None if isinstance(kv, KeyValue) else kv
        self._service = kv if isinstance(kv, KeyValue) else None
        self._tasks = Tasks(log)

    def register(self, clients: TransportClients, config: Any) -> None:
        """Provide it."""
        del config  # all that it needs came to the constructor
        if self._make is not None:
            self._service = self._make(clients)
        clients.provide(KV, lambda: self._kv, ping=_ping, name="kv")

    @property
    def _kv(self) -> KeyValue:
        assert self._service is not None  # noqa: S101  # since `register`, at the latest
        return self._service

    async def on_startup(self, clients: TransportClients) -> None:
        """Start the store; take requests as soon as there is a broker."""
        await self._kv.start()
        bus = clients.bus
        requests = KvRequests(self._kv).answering(bus)
        self._tasks.keep_running(requests.run, "kv: requests", bus.clock)

    async def on_shutdown(self, clients: TransportClients) -> None:
        """Stop the store; what is subscribed ends with the module's bus."""
        del clients
        await self._tasks.close()
        await self._kv.stop()


async def _ping(kv: KV) -> None:
    """Raises the reason why the store cannot be used, as far as is known."""
    assert isinstance(kv, KeyValue)  # noqa: S101  # what the module provides
    if (reason := await kv.check()) is not None:
        raise StoreUnavailable(reason)
