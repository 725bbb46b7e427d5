"""Two lanes: a full intake holds up neither what we publish nor what must not wait."""

from __future__ import annotations

import asyncio

import pytest

from tests.contract.house import House
from tests.waiting import until


async def test_a_paused_intake_holds_messages_and_nothing_else(house: House) -> None:
    """Publishing goes on, and so does the control lane; on resuming all is there, in order."""
    client = await house.connected()
    await client.transport.subscribe("telemetry/#", 1, 1, "intake")
    await client.transport.subscribe("replies/#", 1, 2, "control")
    client.transport.pause()
    await asyncio.sleep(0)
    for number in range(30):
        await client.publish("telemetry/x", str(number).encode())
    await client.publish("replies/x", b"reply")
    await until(lambda: b"reply" in client.payloads, "the reply passes")
    assert client.payloads == [b"reply"]
    client.transport.resume()
    await client.got(31)
    assert client.payloads[1:] == [str(number).encode() for number in range(30)]


async def test_pausing_inside_the_receiver_holds_the_very_next_message(house: House) -> None:
    """The bound is kept exactly, also when many messages came in one packet."""
    client = await house.connected()
    await client.transport.subscribe("telemetry/#", 0, 1)
    client.handle = lambda delivery: client.transport.pause()
    for number in range(50):
        await client.publish("telemetry/x", str(number).encode(), qos=0)
    await client.publish("end", qos=1)
    for number in range(50):
        await client.got(number + 1)
        assert len(client.deliveries) == number + 1
        client.transport.resume()
    assert client.payloads == [str(number).encode() for number in range(50)]


async def test_a_pause_outlasts_a_reconnect(house: House) -> None:
    """The bound is the bus's, not the connection's."""
    client = await house.connected()
    await client.transport.subscribe("telemetry/#", 1, 1)
    client.transport.pause()
    await client.cut()
    await client.publish("telemetry/x", b"1")
    await client.transport.subscribe("control", 1, 2, "control")
    await client.publish("control", b"2")
    await client.got(1)
    assert client.payloads == [b"2"]
    client.transport.resume()
    await client.got(2)


@pytest.mark.needs("keep alive")
async def test_a_long_pause_does_not_end_the_session(house: House) -> None:
    """While paused we see no PINGRESP, and must send PINGREQ all the same: 3 s at keep alive 1."""
    client, sender = await house.connected(keepalive=1), await house.connected("sender")
    await client.transport.subscribe("telemetry/#", 0, 1)
    client.transport.pause()
    payload = b"x" * 20_000
    for _ in range(1_200):  # more than any buffer between here and there takes
        await sender.publish("telemetry/x", payload, qos=0)
    await sender.publish("end", qos=1)
    loop = asyncio.get_running_loop()
    end = loop.time() + 3
    await until(lambda: loop.time() > end or client.downs, "3 s have passed", 5)
    assert client.downs == []
    client.transport.resume()
    await client.got(1_200)
    assert client.downs == []


@pytest.mark.parametrize("qos", [0, 1])
async def test_the_receiver_may_publish_and_acknowledge_at_once(house: House, qos: int) -> None:
    """Synchronously, inside the call: a reply takes no detour."""
    client = await house.connected()
    replies: list[asyncio.Task[bool | None]] = []
    await client.transport.subscribe("ask", 1, 1)
    await client.transport.subscribe("answer", 1, 2, "control")

    async with asyncio.TaskGroup() as group:

        def answer(delivery: object) -> None:
            if client.deliveries[-1].topic == "ask":
                replies.append(group.create_task(client.publish("answer", b"!", qos=qos)))
            client.deliveries[-1].done()

        client.handle = answer
        for _ in range(20):
            await client.publish("ask", b"?")
        await client.got(40)
    assert client.payloads.count(b"!") == 20


async def test_many_publishes_at_once_are_all_acknowledged(house: House) -> None:
    """More than any window takes; the rest waits its turn."""
    client = await house.connected(max_in_flight=50)
    await client.transport.subscribe("burst", 1, 1)
    async with asyncio.TaskGroup() as group:
        for number in range(200):
            group.create_task(client.publish("burst", str(number).encode()))
    await client.got(200)
    assert sorted(int(payload) for payload in client.payloads) == list(range(200))
