from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.bus.bus import Bus
from dskity.bus.memory import MemoryBroker
from dskity.modules.commands.service import CommandService
from tests.commands.devices import Device, connected


@pytest.fixture
def clock() -> VirtualClock:
    """The time of broker, bus and commands."""
    return VirtualClock()


@pytest.fixture
def broker(clock: VirtualClock) -> MemoryBroker:
    """An empty broker."""
    return MemoryBroker(clock=clock)


@pytest.fixture
async def bus(broker: MemoryBroker) -> AsyncIterator[Bus]:
    """The runtime's bus."""
    async with connected(broker, "runtime") as bus:
        yield bus


@pytest.fixture
async def commands(bus: Bus) -> AsyncIterator[CommandService]:
    """The service, started."""
    service = CommandService(bus)
    await service.start()
    yield service
    await service.stop()


@pytest.fixture
async def device(broker: MemoryBroker) -> AsyncIterator[Device]:
    """The device `vent`, subscribed to its commands."""
    async with connected(broker, "vent") as bus:
        device = Device(bus, "vent")
        await device.attach()
        yield device
