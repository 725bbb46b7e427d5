"""Two mosquittos that know nothing of each other, in one list: the second stands in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dskity.bootstrap import open_bus, start
from dskity.broker.aiomqtt.transport import AiomqttTransport
from dskity.broker.settings import ConnectionSettings
from dskity.config import DSkitySettings
from dskity.modules import Module, ModuleMeta, on
from dskity.notices.banner import banner
from tests.contract.house import Client
from tests.faults.process import settings
from tests.servers import HOST, free_port, mosquitto, tcp_proxy
from tests.waiting import until

EACH = 50  # messages before the first broker is killed, and after


def url(port: int) -> str:
    """A broker's, on loopback."""
    return f"mqtt://{HOST}:{port}"


@asynccontextmanager
async def client(*ports: int) -> AsyncIterator[Client]:
    """A client of the brokers on these ports, which has begun to connect."""
    given = ConnectionSettings(tuple(map(url, ports)), "box", connect_timeout=1.0)
    client = Client(AiomqttTransport(given))
    await client.transport.subscribe("load/#", 1, 1)
    await client.transport.subscribe("answer/#", 1, 2, "control")
    await client.start()
    try:
        yield client
    finally:
        await client.transport.close()


async def test_when_the_first_is_killed_the_second_takes_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With the subscriptions of both lanes, at once, and the log says where it went."""
    with mosquitto() as first, mosquitto() as second:
        async with client(first.port, second.port) as box:
            await box.up()
            with caplog.at_level(logging.INFO, "dskity.mqtt"):
                await asyncio.to_thread(first.kill)
                await box.up(2)
            assert box.ups == [False, False]
            assert f"connected to {url(second.port)}" in caplog.text
            await box.publish("load/a")
            await box.publish("answer/a")
            await box.got(2)


async def test_on_the_way_back_what_was_subscribed_meanwhile_is_there() -> None:
    """The first has kept a session of long ago; what is wanted now is put in place in it."""
    with mosquitto(persistence=True) as first, mosquitto() as second:
        async with client(first.port, second.port) as box:
            await box.up()
            await asyncio.to_thread(first.kill)
            await box.up(2)
            await box.transport.subscribe("new/#", 1, 3)
            await asyncio.to_thread(first.start)
            await asyncio.to_thread(second.kill)
            await box.up(3)
            for topic in ("new/a", "load/a", "answer/a"):
                await box.publish(topic)
            await box.got(3)


async def test_it_starts_at_the_second_while_the_first_is_away() -> None:
    """And stays there when the first comes: a move costs a session."""
    with mosquitto(port=free_port(), up=False) as first, mosquitto() as second:
        async with tcp_proxy(second.port) as line, client(first.port, line.port) as box:
            await box.up()
            await asyncio.to_thread(first.start)
            entered = line.accepted
            line.cut()
            await box.up(2)
            assert line.accepted == entered + 2


class Counter(Module):
    """Notes the numbers that it has handled."""

    meta = ModuleMeta("counter", "/counter")

    def __init__(self) -> None:
        self.handled: list[int] = []

    @on("load/{line}")
    async def count(self, number: int) -> None:
        self.handled.append(number)


def of_two(folder: Path, *ports: int, **changes: Any) -> DSkitySettings:
    """The settings of a runtime on both."""
    urls = [url(port) for port in ports]
    return DSkitySettings.isolated(**settings(folder, 0, mqtt={"url": urls}, **changes))


async def test_a_runtime_goes_over_and_loses_nothing_of_what_it_accepts(tmp_path: Path) -> None:
    """What is published while there is no broker waits in the outbox, and leaves to the second."""
    counter = Counter()
    with mosquitto() as first, mosquitto() as second:
        given = of_two(tmp_path, first.port, second.port)
        async with await start(given, modules=[counter]) as runtime:
            where = f"at {url(first.port)} or {url(second.port)} ("
            assert any(where in line for line in banner(runtime, "1", None))
            accepted = set()
            for number in range(2 * EACH):
                if number == EACH:
                    await until(lambda: len(counter.handled) == EACH, "the first half is handled")
                    await asyncio.to_thread(first.kill)
                receipt = await runtime.bus.publish(f"load/{number % 3}", number)
                accepted.add(receipt.accepted)
            await until(lambda: set(counter.handled) == set(range(2 * EACH)), "all are handled")
            assert accepted == {"broker", "outbox"}
            assert runtime.bus.connected


async def test_a_command_finds_the_second(tmp_path: Path) -> None:
    """`dskity pub` and its like need only one of them."""
    with mosquitto() as second:
        given = of_two(tmp_path, free_port(), second.port)
        async with open_bus(given) as bus, bus.stream("hello", qos=1) as heard:
            await bus.publish("hello", b"there")
            async with asyncio.timeout(10):
                assert (await anext(heard)).payload == b"there"
