"""Publish, subscribe, stream and request, on a bus in memory."""

import asyncio

from dskity import Bus, Message, MessageStream, Receipt, Subscription
from dskity.testing import ScriptedBroker, memory_bus


async def add(message: Message) -> dict[str, int]:
    """Answer a request with the sum of its numbers."""
    return {"sum": sum(message.json())}


async def use(bus: Bus) -> None:
    """What a module does with its `clients.bus`."""
    subscription: Subscription = await bus.subscribe("math/add", add, timeout=2)
    reply: Message = await bus.request("math/add", [1, 2, 3], timeout=2)
    assert reply.json() == {"sum": 6}

    messages: MessageStream
    async with bus.stream("devices/+/telemetry") as messages:
        receipt: Receipt = await bus.publish("devices/d1/telemetry", {"celsius": 21.5})
        assert receipt.accepted == "broker"
        async for message in messages:
            assert message.topic == "devices/d1/telemetry"
            break
    await subscription.cancel()


async def main() -> None:
    """Run it without a broker."""
    async with memory_bus(ScriptedBroker().transport("example")) as bus:
        await use(bus)


if __name__ == "__main__":
    asyncio.run(main())
