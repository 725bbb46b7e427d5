"""The bus as a user gets it, on a broker or in memory."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from dskity.bus.bus import Bus
from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.bus.transport import Transport
from dskity.config.sections.common import MqttSettings
from dskity.handlers import Dispatcher
from dskity.wires import choose_client, connection


@contextlib.asynccontextmanager
async def on_broker(port: int, client: str, client_id: str) -> AsyncIterator[Bus]:
    """A connected bus with all defaults, over `mqttium` or `aiomqtt`."""
    transport = choose_client(client).make(
        connection(MqttSettings(), url=f"mqtt://127.0.0.1:{port}", client_id=client_id)
    )
    async with _open(transport) as bus:
        yield bus


@dataclass(frozen=True, slots=True)
class MemoryHouse:
    """A bus in memory, and its broker, which takes messages without a bus."""

    bus: Bus
    broker: MemoryBroker


@contextlib.asynccontextmanager
async def in_memory() -> AsyncIterator[MemoryHouse]:
    """A bus with all defaults over the transport in memory."""
    broker = MemoryBroker()
    async with _open(MemoryTransport(broker, "bench")) as bus:
        yield MemoryHouse(bus, broker)


@contextlib.asynccontextmanager
async def _open(transport: Transport) -> AsyncIterator[Bus]:
    dispatcher = Dispatcher()
    bus = Bus(transport, dispatcher)
    await bus.start()
    try:
        await bus.link.wait_connected(10)
        yield bus
    finally:
        await dispatcher.close()
        await bus.close()
