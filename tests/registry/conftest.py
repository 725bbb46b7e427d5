"""A broker in memory, what is heard of it, and two runtimes on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.bus.memory import MemoryBroker
from dskity.modules.registry.service import ServiceRegistry
from tests.house_bus import House
from tests.registry.runtimes import Heard, observer, runtime


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def broker(clock: VirtualClock) -> MemoryBroker:
    return MemoryBroker(clock=clock)


@pytest.fixture
async def heard(broker: MemoryBroker, clock: VirtualClock) -> AsyncIterator[Heard]:
    async with observer(broker, clock) as heard:
        yield heard


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def one(
    broker: MemoryBroker, clock: VirtualClock
) -> AsyncIterator[tuple[House, ServiceRegistry]]:
    async with runtime(broker, "one", clock) as started:
        yield started


@pytest.fixture
async def two(
    broker: MemoryBroker, clock: VirtualClock
) -> AsyncIterator[tuple[House, ServiceRegistry]]:
    async with runtime(broker, "two", clock) as started:
        yield started
