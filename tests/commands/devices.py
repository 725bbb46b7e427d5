"""A device on the memory broker: keeps the commands it gets, and answers as it is told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from dskity.bus.bus import Bus
from dskity.bus.delivery import Delivery
from dskity.bus.memory import MemoryBroker
from dskity.bus.message import JSON_TYPE, Message
from tests.house_bus import memory_house


class Device:
    """One client; `requests` are the commands it got."""

    def __init__(self, bus: Bus, name: str) -> None:
        self.requests: list[Message] = []
        self._bus = bus
        self._name = name

    async def attach(self) -> None:
        """Subscribe to its commands."""
        await self._bus.attach(f"devices/{self._name}/commands/+", self._accept)

    def _accept(self, delivery: Delivery, captures: Mapping[str, str]) -> None:
        self.requests.append(delivery.message())
        delivery.done()

    async def reply(self, request: Message, **fields: Any) -> None:
        """Answer on the reply topic, as a device without MQTT 5 does."""
        await self._bus.publish(
            f"{request.topic}/reply", {"id": json.loads(request.payload)["id"], **fields}
        )

    async def respond(self, request: Message, payload: Any) -> None:
        """Answer on the response topic with the correlation data, as MQTT 5 has it."""
        await self._bus.reply(request, payload, content_type=JSON_TYPE)


@asynccontextmanager
async def connected(broker: MemoryBroker, client_id: str) -> AsyncIterator[Bus]:
    """A client's bus on the memory broker, which is there at once or not at all."""
    async with memory_house(
        broker=broker, client_id=client_id, clock=broker.clock, publish_timeout=0.01
    ) as house:
        yield house.bus
