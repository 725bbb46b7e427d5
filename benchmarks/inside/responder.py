"""Answers requests: a handler on DSkity's bus, or a loop over mqttium's messages."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from benchmarks.child import arguments, ready
from benchmarks.houses import on_broker
from benchmarks.inside.pingpong import TOPIC, client, reply_properties


class Ping(BaseModel):
    """A request, and its reply."""

    number: int


async def by_bus(port: int) -> None:
    """A typed handler whose returned value is the reply."""

    async def echo(ping: Ping) -> Ping:
        return ping

    async with on_broker(port, "bench-responder") as bus:
        await bus.subscribe(TOPIC, echo)
        ready()
        await asyncio.Event().wait()


async def bare(port: int) -> None:
    """What a user writes without a runtime."""
    connected = await client(port, "bench-responder")
    await connected.subscribe(TOPIC, qos=1)
    ready()
    async for message in connected.messages():
        ping = Ping.model_validate_json(message.payload)
        asked = message.properties.values if message.properties else {}
        await connected.publish(
            asked["response_topic"],
            ping.model_dump_json().encode(),
            qos=1,
            properties=reply_properties(asked["correlation_data"]),
        )


if __name__ == "__main__":
    given = arguments()
    asyncio.run((bare if given["bare"] else by_bus)(given["port"]))
