"""The largest message that a broker of ours takes from a foreign client reaches ours."""

from __future__ import annotations

import asyncio

import pytest

from dskity.broker.engines.amqtt.engine import AmqttBroker
from dskity.bus.errors import TooLarge
from tests.contract.cells import BrokerName, Cell
from tests.contract.house import open_house
from tests.doctor.witness import Eye

LARGEST = 16 * 1024 * 1024 - len(b"\x00\x01t\x00\x01")  # topic and packet identifier


@pytest.mark.parametrize("broker", ["amqtt", "rumqttd"])
async def test_what_came_in_comes_out(broker: BrokerName) -> None:
    """These two do not heed the limit that a client tells; refusing it would be refusing it again
    after each reconnect, with all behind it."""
    five = broker == "rumqttd"
    async with open_house(Cell("aiomqtt", broker)) as house:
        client = await house.connected()
        await client.transport.subscribe("t", 1, 1)
        eye = await asyncio.to_thread(Eye, house.broker.port, five)
        payload = bytes(LARGEST - five)  # MQTT 5 has the length of its properties
        assert await asyncio.to_thread(eye.publish, "t", payload) == 0
        await client.got(1)
        assert len(client.deliveries[0].payload) == len(payload)
        assert client.downs == []
        await asyncio.to_thread(eye.leave)


async def test_amqtt_hangs_up_on_more_and_its_limits_say_so() -> None:
    """A transport that knows them refuses the message; the connection lives."""
    async with open_house(Cell("aiomqtt", "amqtt")) as house:
        client = await house.connected(limits=AmqttBroker.limits)
        with pytest.raises(TooLarge, match="at most 16777216"):
            await client.publish("t", bytes(LARGEST + 1))
        assert client.downs == []
