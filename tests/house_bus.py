"""A bus in memory, for the tests of whatever lies above it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.bus import Bus
from dskity.bus.memory import CAPABILITIES, MemoryBroker, MemoryTransport
from dskity.bus.message import Message
from dskity.bus.transport import Capabilities
from dskity.handlers import Dispatcher
from dskity.handlers.in_flight import Overload


@dataclass
class House:
    """A broker in memory, one client of it, and the bus and dispatcher on top."""

    broker: MemoryBroker
    transport: MemoryTransport
    dispatcher: Dispatcher
    bus: Bus


@asynccontextmanager
async def memory_house(
    *,
    broker: MemoryBroker | None = None,
    client_id: str = "house",
    clock: Clock = SYSTEM_CLOCK,
    capabilities: Capabilities = CAPABILITIES,
    will: Message | None = None,
    hold: bool = False,
    max_in_flight: int = 1000,
    overload: Overload = "wait",
    publish_timeout: float = 5.0,
) -> AsyncIterator[House]:
    """Started, and closed again with everything it began."""
    broker = broker or MemoryBroker(clock=clock, capabilities=capabilities)
    transport = MemoryTransport(broker, client_id, will)
    dispatcher = Dispatcher(max_in_flight=max_in_flight, overload=overload)
    bus = Bus(transport, dispatcher, clock=clock, publish_timeout=publish_timeout)
    await bus.start(hold=hold)
    try:
        yield House(broker, transport, dispatcher, bus)
    finally:
        await dispatcher.close()
        await bus.close()
