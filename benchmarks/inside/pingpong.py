"""Requests one after another, and how long each took: by `bus.request`, or by mqttium alone."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from benchmarks.child import arguments, cpu_seconds, report
from benchmarks.houses import on_broker

if TYPE_CHECKING:
    from mqttium.api import AsyncClient
    from mqttium.types import Properties

TOPIC = "bench/echo"
_REPLIES = "bench/replies"
_WARM_UP = 50


async def client(port: int, client_id: str) -> AsyncClient:
    """A connected client of mqttium, which only the extra `bench` installs."""
    from mqttium.api import AsyncClient  # noqa: PLC0415  # of the extra `bench`
    from mqttium.enums import MQTTProtocolVersion  # noqa: PLC0415  # of the extra `bench`

    made = AsyncClient(client_id, protocol=MQTTProtocolVersion.MQTTv5)
    await made.connect("127.0.0.1", port)
    return made


def reply_properties(correlation: bytes) -> Properties:
    """What a reply says."""
    from mqttium.types import Properties  # noqa: PLC0415  # of the extra `bench`

    return Properties({"correlation_data": correlation})


async def by_bus(port: int, requests: int) -> None:
    """`bus.request`, as a user calls it."""
    async with on_broker(port, "bench-requester") as bus:

        async def ask(number: int) -> None:
            await bus.request(TOPIC, b'{"number":%d}' % number)

        await _ask(ask, requests)


async def bare(port: int, requests: int) -> None:
    """The same exchange without a runtime, and without its time-outs."""
    from mqttium.types import Properties  # noqa: PLC0415  # of the extra `bench`

    connected = await client(port, "bench-requester")
    await connected.subscribe(_REPLIES, qos=1)
    replies = connected.messages().__aiter__()

    async def ask(number: int) -> None:
        named = Properties({"response_topic": _REPLIES, "correlation_data": b"%d" % number})
        await connected.publish(TOPIC, b'{"number":%d}' % number, qos=1, properties=named)
        await anext(replies)

    await _ask(ask, requests)
    await connected.disconnect()


async def _ask(ask: Callable[[int], Awaitable[None]], requests: int) -> None:
    for number in range(_WARM_UP):
        await ask(number)
    took: list[float] = []
    before = cpu_seconds()
    for number in range(requests):
        started = time.perf_counter()
        await ask(number)
        took.append((time.perf_counter() - started) * 1000)
    cpu = (cpu_seconds() - before) / requests * 1e6
    report({"p50": statistics.median(took), "p99": _percentile(took, 0.99), "cpu": cpu})


def _percentile(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


if __name__ == "__main__":
    given = arguments()
    asyncio.run((bare if given["bare"] else by_bus)(given["port"], given["requests"]))
