"""What a broker of MQTT 5 says in CONNACK and in its answers."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from dskity.broker.aiomqtt.wire import AiomqttWire
from dskity.broker.settings import ConnectionSettings
from dskity.broker.wire import ConnectRequest
from dskity.bus.delivery import Delivery
from dskity.bus.errors import BrokerRefused
from dskity.bus.message import Message
from tests.broker.raw import PUBLISH, Session, publish, session
from tests.servers import HOST, mosquitto
from tests.waiting import until

PINGREQ = 12


def _has_sent(opened: Session, count: int) -> bool:
    return len(opened.broker.came) >= count


async def test_no_more_is_under_way_than_the_broker_takes() -> None:
    """Receive Maximum 2."""
    async with session(5, b"\x21\x00\x02") as opened:
        tasks = [
            asyncio.create_task(opened.wire.publish(Message("t", b"", 1)), name=f"publish {number}")
            for number in range(5)
        ]
        answered = 0
        while answered < 5:
            most = min(answered + 2, 5)
            await until(partial(_has_sent, opened, most), f"{most} are sent")
            assert len(opened.broker.came) == most
            for packet in opened.broker.came[answered:]:
                opened.broker.write(b"\x40\x02" + packet[5:7])
            answered = most
        assert await asyncio.gather(*tasks) == [True] * 5


async def test_on_3_1_1_as_many_are_under_way_as_mosquitto_takes() -> None:
    """It acknowledges those over 20 and drops them; no CONNACK can say so."""
    async with session(4) as opened, asyncio.TaskGroup() as group:
        for number in range(25):
            group.create_task(opened.wire.publish(Message("t", b"", 1)), name=f"{number}")
        await until(partial(_has_sent, opened, 20), "20 are sent")
        assert len(opened.broker.came) == 20
        for answered in range(25):
            await until(partial(_has_sent, opened, answered + 1), "the next one")
            opened.broker.write(b"\x40\x02" + opened.broker.came[answered][5:7])


async def test_what_cannot_be_encoded_takes_no_place() -> None:
    """Receive Maximum 1, and a header that no wire can carry."""
    async with session(5, b"\x21\x00\x01") as opened:
        for qos in (1, 2):
            with pytest.raises(Exception):  # noqa: B017, PT011  # each library has its own
                await opened.wire.publish(Message("t", b"", qos, headers={"h": "x" * 65_536}))
        task = asyncio.create_task(opened.wire.publish(Message("t", b"", 1)), name="publish")
        await until(lambda: opened.broker.came, "it arrives")
        opened.broker.write(b"\x40\x02" + opened.broker.came[0][5:7])
        async with asyncio.timeout(5):
            assert await task


async def test_a_refusal_at_qos_2_is_told() -> None:
    """It comes in PUBREC, and ends the exchange there."""
    async with session(5) as opened:
        task = asyncio.create_task(opened.wire.publish(Message("t", b"", 2)), name="publish")
        await until(lambda: opened.broker.came, "it arrives")
        opened.broker.write(b"\x50\x04" + opened.broker.came[0][5:7] + b"\x87\x00")
        async with asyncio.timeout(5):
            with pytest.raises(BrokerRefused) as refused:
                await task
        assert refused.value.reason_code == 0x87
        await opened.wire.publish(Message("t", b"", 0))
        await until(lambda: len(opened.broker.came) > 1, "the next one")
        assert [packet[0] >> 4 for packet in opened.broker.came] == [PUBLISH, PUBLISH], "no PUBREL"


async def test_the_broker_may_ask_for_a_shorter_keep_alive() -> None:
    """Server Keep Alive, 1 second, counts instead of our 30."""
    async with session(5, b"\x13\x00\x01") as opened:
        await until(lambda: opened.broker.of(PINGREQ), "PINGREQ", 5)


async def test_a_shorter_keep_alive_holds_while_we_are_paused() -> None:
    """We cannot see PINGRESP then; a broker that hears nothing for 1.5 seconds hangs up."""
    async with session(5, b"\x13\x00\x01") as opened:
        opened.handle = lambda _: opened.wire.pause()
        opened.broker.write(publish(5, b"t", b"x"))  # from here on nothing is read
        await until(lambda: len(opened.broker.of(PINGREQ)) >= 3, "the third PINGREQ", 6)
        opened.wire.resume()


async def test_a_shorter_keep_alive_finds_a_dead_line() -> None:
    """No PINGRESP comes: the connection is lost long before 30 seconds are over."""
    async with session(5, b"\x13\x00\x01") as opened, asyncio.timeout(8):
        assert await opened.wire.lost()


@pytest.mark.parametrize("qos", [1, 2])
async def test_with_receive_maximum_1_publishes_go_one_at_a_time(qos: int) -> None:
    """A real mosquitto says so; what is published at once arrives whole and in order."""
    with mosquitto(["max_inflight_messages 1"]) as broker:
        got: list[bytes] = []

        def receive(delivery: Delivery) -> None:
            got.append(delivery.payload)
            delivery.done()

        settings = ConnectionSettings(f"mqtt://{HOST}:{broker.port}", "box")
        opening = ConnectRequest(settings, "box", 5, clean_start=True, session_expiry=0)
        wire = AiomqttWire(opening, receive, None)
        try:
            assert (await wire.open()).receive_maximum == 1
            await wire.subscribe("t", 2, None)
            async with asyncio.timeout(20), asyncio.TaskGroup() as group:
                for number in range(50):
                    message = Message("t", b"%d" % number, qos)
                    group.create_task(wire.publish(message), name=f"publish {number}")
            await until(lambda: len(got) == 50, f"all of them: {got}")
        finally:
            await wire.close()
    assert got == [b"%d" % number for number in range(50)]
