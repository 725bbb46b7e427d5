"""Errors that nobody foresaw inside a wire: the connection ends, and the next one goes on."""

from __future__ import annotations

import pytest

from dskity.broker.aiomqtt.client import HookedClient
from dskity.bus.base import tasks
from dskity.bus.delivery import Delivery
from tests.breaking import Broken, errors_of
from tests.contract.cells import Cell
from tests.contract.house import open_house
from tests.waiting import until

CELL = Cell("aiomqtt", "mosquitto-5")


async def test_a_wire_whose_task_fails_ends_and_the_next_one_goes_on(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A wire that nothing is read from, or acknowledged on, would look as if it were there."""
    health = tasks.observe()
    async with open_house(CELL) as house:
        client = await house.connected()
        await client.transport.subscribe("on", 2, 1)
        Broken(monkeypatch, HookedClient, "tick", KeyError("odd"))
        await client.publish("on", b"1", qos=1)
        await client.publish("on", b"2", qos=2)
        await client.up(2)
        assert "odd" in client.downs[0]
        (failed,) = health.errors
        assert failed.startswith("mqtt one")
        assert failed.endswith("keep alive")
        assert any(failed in line for line in errors_of(caplog))
        await client.publish("on", b"3", qos=2)
        await until(lambda: {b"1", b"2", b"3"} <= set(client.payloads), "all are handed over")


@pytest.mark.parametrize("qos", [1, 2])
async def test_a_receiver_that_fails_costs_the_connection_and_no_message(
    qos: int,
) -> None:
    """The bus's never does; another owner of a transport may have one that does."""
    async with open_house(CELL) as house:
        client = await house.connected()
        await client.transport.subscribe("on", qos, 1)

        def fail(delivery: Delivery) -> None:
            client.handle = Delivery.done
            raise RecursionError(delivery.topic)

        client.handle = fail
        await client.publish("on", b"1", qos=qos)
        await client.up(2)
        await until(lambda: client.payloads.count(b"1") > 1, "it came again")
        await client.publish("on", b"2", qos=qos)
        await until(lambda: b"2" in client.payloads, "what follows comes too")
