"""The end of a connection, to those who are publishing."""

from __future__ import annotations

import asyncio

from dskity.broker.settings import ConnectionSettings
from dskity.bus.errors import NotConnected
from dskity.bus.message import Message
from dskity.composition.mqtt_transport import make_transport
from tests.broker.scripted import started
from tests.servers import HOST, mosquitto

WINDOW = 20
AT_ONCE = 3 * WINDOW


async def test_they_learn_of_it_in_the_order_in_which_they_came() -> None:
    """Those on their way first, then those who wait for the window: so the outbox has them."""
    ended: list[int] = []
    with mosquitto([f"max_inflight_messages {WINDOW}"]) as broker:
        url = f"mqtt://{HOST}:{broker.port}"
        transport = make_transport(ConnectionSettings(url, "box"))
        link = await started(transport)
        await link.wait_connected(5)
        broker.pause()

        async def publish(number: int) -> None:
            try:
                await transport.publish(Message("t", b"%d" % number))
            except NotConnected:
                ended.append(number)

        async with asyncio.TaskGroup() as group:
            for number in range(AT_ONCE):
                group.create_task(publish(number), name=f"publish {number}")
            await asyncio.sleep(0)  # all of them have begun
            broker.kill()
        await transport.close()
    assert ended == list(range(AT_ONCE))
