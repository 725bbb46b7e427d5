"""Brokers that are not there, do not answer, or do not let us in: nobody waits for them."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator

import pytest

from dskity.bus.errors import NotConnected
from tests.contract.cells import Cell
from tests.contract.house import Client, mqtt, open_house
from tests.servers import free_port, mosquitto
from tests.waiting import until

pytestmark = pytest.mark.needs("a network")


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port where connections are never accepted: its queue is full, so SYNs are dropped."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(door.getsockname())
        yield int(door.getsockname()[1])
        for filler in fillers:
            filler.close()


async def test_nobody_waits_for_a_host_that_does_not_answer(cell: Cell, silent_port: int) -> None:
    """`start` and `close` return and `publish` raises, while the attempt to connect goes on."""
    client = Client(mqtt(cell, "one", silent_port, connect_timeout=30.0))
    async with asyncio.timeout(2):  # an attempt alone takes 30 s
        await client.start()
        with pytest.raises(NotConnected, match="not connected to mqtt://"):
            await client.publish("nobody/there")
        await client.transport.subscribe("later", 1, 1)
        await asyncio.sleep(0.05)  # the attempt is on its way now
        with pytest.raises(NotConnected):
            await client.publish("nobody/there")
        await client.transport.close()
    assert client.ups == []


@pytest.mark.needs("one broker")
async def test_a_broker_that_appears_is_found_within_two_seconds(cell: Cell) -> None:
    """It was absent when we started; what was subscribed meanwhile is in place then."""
    port = free_port()
    client = Client(mqtt(cell, "one", port))
    with mosquitto(port=port, up=False) as server:
        await client.start()
        await client.transport.subscribe("early", 1, 1)
        await asyncio.sleep(0.5)  # a few attempts fail
        server.start()
        appeared = asyncio.get_running_loop().time()
        await client.up()
        assert asyncio.get_running_loop().time() - appeared < 2
        await client.publish("early")
        await client.got(1)
        await client.transport.close()


@pytest.mark.needs("passwords")
async def test_a_wrong_password_is_told_with_the_setting_and_once(
    cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried again, slowly: somebody may be mending it."""
    with mosquitto(users={"box": "right"}) as server:
        wrong = Client(mqtt(cell, "one", server.port, username="box", password="guess-42"))
        right = Client(mqtt(cell, "two", server.port, username="box", password="right"))
        with caplog.at_level(logging.WARNING, "dskity.mqtt"):
            await wrong.start()
            await until(lambda: "common.mqtt.username" in caplog.text, "the warning")
        await right.start()
        await right.up()
        assert "rejects the user 'box'" in caplog.text
        assert "guess-42" not in caplog.text
        assert caplog.text.count("common.mqtt.username") == 1
        assert wrong.ups == []
        await wrong.transport.close()
        await right.transport.close()


@pytest.mark.needs("one broker")
async def test_a_connection_that_is_held_up_ends_by_keep_alive(cell: Cell) -> None:
    """No byte comes through and no error either; who waits for an acknowledgement learns it."""
    async with open_house(cell) as house:
        client = await house.connected(keepalive=1)
        assert client.proxy is not None
        client.proxy.hold()
        publish = asyncio.create_task(client.publish("held/up"), name="publish")
        await until(lambda: client.downs, "the loss is noticed", 15)
        with pytest.raises(NotConnected):
            await publish
        client.proxy.cut()
        client.proxy.release()
        await client.up(2)


async def test_a_lost_connection_ends_every_wait_at_once(cell: Cell) -> None:
    """Hundreds of publishes that wait, for an acknowledgement or for their turn."""
    async with open_house(cell) as house:
        client = await house.connected(max_in_flight=10)
        assert client.proxy is not None
        client.proxy.hold()
        waiting = [
            asyncio.create_task(client.publish("held/up"), name=f"publish {number}")
            for number in range(200)
        ]
        await asyncio.sleep(0.05)  # they are on their way
        client.proxy.cut()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {NotConnected}
        client.proxy.release()
        await client.up(2)
