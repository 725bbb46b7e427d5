"""From failure to replay through real brokers, of both versions of MQTT."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal
from urllib.parse import urlsplit

import pytest

from dskity.broker.aiomqtt_transport import AiomqttTransport
from dskity.broker.embedded import EmbeddedBroker
from dskity.broker.listen import Listen
from dskity.broker.settings import ConnectionSettings
from dskity.bus.bus import Bus
from dskity.bus.message import Message
from dskity.handlers import Dispatcher
from tests.dead_letters.post import ONCE, dead_letters
from tests.servers import HOST, mosquitto
from tests.waiting import until

Engine = Literal["mosquitto-5", "mosquitto-3.1.1", "amqtt"]


@asynccontextmanager
async def port_of(engine: Engine) -> AsyncIterator[int]:
    if engine != "amqtt":
        with mosquitto() as server:
            yield server.port
        return
    broker = EmbeddedBroker(Listen(port=0))
    await broker.start()
    yield urlsplit(broker.url).port or 0
    await broker.stop()


@asynccontextmanager
async def bus_at(port: int, engine: Engine, client_id: str = "runtime") -> AsyncIterator[Bus]:
    protocol: Literal["5", "3.1.1"] = "5" if engine == "mosquitto-5" else "3.1.1"
    settings = ConnectionSettings(f"mqtt://{HOST}:{port}", client_id, protocol=protocol)
    dispatcher = Dispatcher()
    bus = Bus(AiomqttTransport(settings), dispatcher)
    await bus.start()
    await bus.link.wait_connected(5)
    try:
        yield bus
    finally:
        await dispatcher.close()
        await bus.close()


@pytest.mark.parametrize("engine", ["mosquitto-5", "mosquitto-3.1.1", "amqtt"])
@pytest.mark.parametrize("payload", [b'{"t" : 1.0}', b'{"specversion":"1.0"}', b"\xff"])
async def test_a_message_fails_twice_and_then_succeeds(engine: Engine, payload: bytes) -> None:
    """The payload is the same byte for byte, and the headers go along, in an envelope on 3.1.1."""
    async with port_of(engine) as port, bus_at(port, engine) as bus, dead_letters(bus) as post:
        attempts: list[Message] = []

        async def sell(message: Message) -> None:
            attempts.append(message)
            if len(attempts) < 3:
                raise RuntimeError("no paper")

        await bus.subscribe("shop/{till}/sale", sell, retry=ONCE)
        await bus.publish("shop/1/sale", payload)
        for replays in (0, 1):
            await post.added(replays + 1)
            [entry] = await post.letters(1)
            assert (entry["topic"], entry["replays"]) == ("shop/1/sale", replays)
            assert await post.ask("replay", ids=[entry["id"]]) == {"replayed": 1, "failed": []}
        await until(lambda: len(attempts) == 3, "the last attempt")
        assert [message.payload for message in attempts] == [payload] * 3
        counts = [message.headers.get("dskity-replays") for message in attempts]
        assert counts == [None, "1", "2"]
        assert await post.letters(0) == []


async def test_requests_are_answered_by_those_that_are_left() -> None:
    """The broker hands none to a runtime that has ended, though it keeps its session."""
    async with (
        port_of("mosquitto-5") as port,
        bus_at(port, "mosquitto-5") as bus,
        dead_letters(bus) as post,
    ):
        async with bus_at(port, "mosquitto-5", "other") as other, dead_letters(other):
            other.leave()
        for _ in range(4):
            assert (await post.ask("list"))["total"] == 0
