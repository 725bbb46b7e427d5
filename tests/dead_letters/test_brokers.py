"""Two runtimes on a real broker; from failure to replay on each broker is in `tests/contract/`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dskity.broker.aiomqtt.transport import AiomqttTransport
from dskity.broker.settings import ConnectionSettings
from dskity.bus.bus import Bus
from dskity.handlers import Dispatcher
from tests.dead_letters.post import dead_letters
from tests.servers import HOST, mosquitto


@asynccontextmanager
async def bus_at(port: int, client_id: str) -> AsyncIterator[Bus]:
    settings = ConnectionSettings(f"mqtt://{HOST}:{port}", client_id)
    dispatcher = Dispatcher()
    bus = Bus(AiomqttTransport(settings), dispatcher)
    await bus.start()
    await bus.link.wait_connected(5)
    try:
        yield bus
    finally:
        await dispatcher.close()
        await bus.close()


async def test_requests_are_answered_by_those_that_are_left() -> None:
    """The broker hands none to a runtime that has ended, though it keeps its session."""
    with mosquitto() as server:
        async with bus_at(server.port, "runtime") as bus, dead_letters(bus) as post:
            async with bus_at(server.port, "other") as other, dead_letters(other):
                other.leave()
            for _ in range(4):
                assert (await post.ask("list"))["total"] == 0
