"""A runtime as far as the registry is concerned: a bus with a will, its state, and the registry."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.bus import Bus
from dskity.bus.delivery import Delivery
from dskity.bus.memory import MemoryBroker
from dskity.bus.message import Message
from dskity.modules.registry.service import ServiceRegistry
from tests.house_bus import House, memory_house


class Heard:
    """What a client of the broker hears of the registry: events, and the entries retained."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.entries: dict[str, dict[str, Any]] = {}

    async def attach(self, bus: Bus) -> None:
        """Begin to hear."""
        await bus.attach("dskity/registry/+/+/{what}", self._event, lane="control")
        await bus.attach("dskity/registry/{service}/{instance}", self._entry, lane="control")

    @property
    def said(self) -> list[tuple[str, str, str]]:
        """The events: up or down, instance, cause."""
        return [
            (event["type"].split(".")[3], event["data"]["instance"], event["data"]["cause"])
            for event in self.events
        ]

    @property
    def facts(self) -> list[tuple[str, str, str]]:
        """As `said`, without repetitions of one id: what a consumer that dedupes sees."""
        first: dict[str, tuple[str, str, str]] = {}
        for event, said in zip(self.events, self.said, strict=True):
            first.setdefault(event["id"], said)
        return list(first.values())

    def _event(self, delivery: Delivery, _: Mapping[str, str]) -> None:
        self.events.append(json.loads(delivery.payload))
        delivery.done()

    def _entry(self, delivery: Delivery, captures: Mapping[str, str]) -> None:
        name = f"{captures['service']}/{captures['instance']}"
        if delivery.payload:
            self.entries[name] = json.loads(delivery.payload)
        else:
            self.entries.pop(name, None)
        delivery.done()


def state(instance: str, state: str) -> Message:
    """The retained state of a runtime; `lost` is its will."""
    body = json.dumps({"instance": instance, "state": state}).encode()
    return Message(f"dskity/runtime/{instance}/state", body, retain=True)


@asynccontextmanager
async def observer(broker: MemoryBroker, clock: Clock = SYSTEM_CLOCK) -> AsyncIterator[Heard]:
    """A client that only listens."""
    heard = Heard()
    async with memory_house(broker=broker, client_id="observer", clock=clock) as house:
        await heard.attach(house.bus)
        yield heard


@asynccontextmanager
async def runtime(
    broker: MemoryBroker, name: str, clock: Clock = SYSTEM_CLOCK, **settings: float
) -> AsyncIterator[tuple[House, ServiceRegistry]]:
    """A started registry on a bus of its own; it stops cleanly unless its transport was killed."""
    async with memory_house(
        broker=broker,
        client_id=name,
        clock=clock,
        will=state(name, "lost"),
        publish_timeout=0.05,
    ) as house:
        registry = ServiceRegistry(house.bus, **settings)

        def ready(connected: bool, *, resumed: bool) -> None:
            del resumed
            if connected:
                broker.publish(state(name, "ready"))

        house.bus.link.watch(ready)
        ready(house.transport.connected, resumed=False)
        await registry.start()
        try:
            yield house, registry
        finally:
            await registry.stop()
