"""What the registry hears after a reconnect that did not go as foreseen."""

from __future__ import annotations

import pytest

from dskity.bus.base import tasks
from dskity.bus.base.clock import VirtualClock
from dskity.bus.bus import Bus
from dskity.modules.registry.service import ServiceRegistry
from tests.breaking import Broken
from tests.house_bus import memory_house


async def test_the_broker_is_asked_again_after_an_asking_that_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And no subscription is left over from it."""
    clock, health = VirtualClock(), tasks.observe()
    async with memory_house(clock=clock) as house:
        registry = ServiceRegistry(house.bus)
        await registry.start()
        await clock.advance(2)
        filters = sorted(entry.filter for entry in house.bus.subscriptions)
        house.broker.stop()
        house.broker.start()
        asked = Broken(monkeypatch, Bus, "attach", KeyError("odd"))
        while not asked.calls:
            await clock.advance(0.05)
        assert list(health.failing) == ["registry"]
        await clock.advance(2)
        assert asked.calls == 3
        assert sorted(entry.filter for entry in house.bus.subscriptions) == filters
        await registry.stop()
        assert house.bus.subscriptions == ()
