"""The bus as a user gets it, on a broker or in memory."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from dskity.bus.base.clock import SYSTEM_CLOCK
from dskity.bus.base.threads import ThreadPool
from dskity.bus.bus import Bus
from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.bus.store.dedup_store import DedupStore
from dskity.composition.connections import connect
from dskity.composition.mqtt_transport import connection, make_transport
from dskity.config import DSkitySettings
from dskity.handlers import Dispatcher


@contextlib.asynccontextmanager
async def on_broker(
    port: int, client_id: str, *, away: bool = False, protocol: str = "auto"
) -> AsyncIterator[Bus]:
    """A bus with all defaults, its outbox, inbox and record of keys on the disk; connected, unless
    the broker is `away`."""
    url = f"mqtt://127.0.0.1:{port}"
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        settings = DSkitySettings.isolated(
            state_dir=folder, common={"mqtt": {"protocol": protocol}}
        )
        transport = make_transport(connection(settings.common.mqtt, url=url, client_id=client_id))
        seen = DedupStore(
            folder / "seen.db", what="keys", keep=settings.bus.dedupe_max_window_seconds
        )
        await seen.open()
        stack.push_async_callback(seen.close)
        threads = ThreadPool("bench", settings.bus.handler_threads)
        stack.callback(threads.close)
        made = await connect(settings, transport, url, seen, stack, SYSTEM_CLOCK, threads)
        async with _open(made.bus, made.dispatcher, away=away):
            yield made.bus


@dataclass(frozen=True, slots=True)
class MemoryHouse:
    """A bus in memory, and its broker, which takes messages without a bus."""

    bus: Bus
    broker: MemoryBroker


@contextlib.asynccontextmanager
async def in_memory() -> AsyncIterator[MemoryHouse]:
    """A bus with all defaults over the transport in memory."""
    broker, dispatcher = MemoryBroker(), Dispatcher()
    bus = Bus(MemoryTransport(broker, "bench"), dispatcher)
    async with _open(bus, dispatcher):
        yield MemoryHouse(bus, broker)


@contextlib.asynccontextmanager
async def _open(bus: Bus, dispatcher: Dispatcher, *, away: bool = False) -> AsyncIterator[None]:
    await bus.start()
    try:
        if not away:
            await bus.link.wait_connected(10)
        yield
    finally:
        await dispatcher.close()
        await bus.close()
