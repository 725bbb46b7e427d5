"""A load of gRPC publishes: sixteen callers at once, or one stream of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import grpc

from benchmarks.child import arguments, report
from benchmarks.workload import TOPICS, payload
from dskity.modules.grpc.v1.dskity_pb2 import PublishRequest
from dskity.modules.grpc.v1.dskity_pb2_grpc import BusStub

if TYPE_CHECKING:
    from dskity.modules.grpc.v1.dskity_pb2_grpc import BusAsyncStub

_CALLERS = 16
_WARM_UP = 10 * _CALLERS


async def main(port: int, count: int, *, stream: bool) -> None:
    """The process."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        bus = BusStub(channel)
        publish = _stream if stream else _calls
        await publish(bus, _WARM_UP)
        started = time.perf_counter()
        await publish(bus, count)
        report({"rate": count / (time.perf_counter() - started), "warm_up": _WARM_UP})


def _request(number: int) -> PublishRequest:
    return PublishRequest(topic=TOPICS[number % len(TOPICS)], payload=payload(0))


async def _calls(bus: BusAsyncStub, count: int) -> None:
    async def call(first: int) -> None:
        for number in range(first, count, _CALLERS):
            await bus.Publish(_request(number))

    async with asyncio.TaskGroup() as callers:
        for first in range(_CALLERS):
            callers.create_task(call(first), name=f"caller-{first}")


async def _stream(bus: BusAsyncStub, count: int) -> None:
    async def requests() -> AsyncIterator[PublishRequest]:
        for number in range(count):
            yield _request(number)

    async for _ in bus.PublishStream(requests()):
        pass


if __name__ == "__main__":
    given = arguments()
    asyncio.run(main(given["port"], given["count"], stream=given["stream"]))
