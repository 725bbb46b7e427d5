"""What a broker may do that no lane may be wedged by: it connects again, and all is in place."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from dskity.broker.aiomqtt.wire import AiomqttWire
from dskity.broker.connection import connection, placement
from dskity.broker.probe import basics
from dskity.broker.probe import client as visit
from dskity.broker.settings import ConnectionSettings, ProtocolChoice
from dskity.broker.transport import MqttTransport
from dskity.broker.wire import Version
from dskity.bus.delivery import Delivery
from dskity.bus.link import Link
from dskity.bus.message import Message
from tests.broker.odd import (
    CONNECT,
    PINGREQ,
    PUBLISH,
    SUBSCRIBE,
    UNSUBACK,
    Line,
    OddBroker,
    suback,
)
from tests.broker.raw import packet, publish
from tests.faults import frames
from tests.servers import HOST
from tests.waiting import until

LANES = ("box", "box-ctl")
PROTOCOLS: dict[Version, ProtocolChoice] = {5: "5", 4: "3.1.1"}
Do = Callable[[Line, bytes], bool]


@dataclass(frozen=True)
class Oddity:
    """On the first packet of the kind `on`, `do`; see `Answer`."""

    on: int
    do: Do
    versions: tuple[Version, ...] = (5, 4)


def says(*packets: bytes) -> Do:
    """Send something instead of an answer."""

    def do(line: Line, _: bytes) -> bool:
        for each in packets:
            line.send(each)
        return True

    return do


def adds(*packets: bytes) -> Do:
    """Send something, then the answer."""

    def do(line: Line, _: bytes) -> bool:
        for each in packets:
            line.send(each)
        return False

    return do


def _reset(line: Line, _: bytes) -> bool:
    line.hang_up()
    return True


def _silent(_: Line, __: bytes) -> bool:
    return True


def _connack(code: int, properties: bytes = b"", *, flags: int = 0) -> bytes:
    return packet(0x20, bytes((flags, code, len(properties))) + properties)


FIVE: tuple[Version, ...] = (5,)
ODDITIES: dict[str, Oddity] = {
    "SUBACK without a code": Oddity(SUBSCRIBE, lambda line, data: _reply(line, suback(line, data))),
    "SUBACK with more codes than filters": Oddity(
        SUBSCRIBE, lambda line, data: _reply(line, suback(line, data, 1, 1, 0x80))
    ),
    "SUBACK with a code that does not exist": Oddity(
        SUBSCRIBE, lambda line, data: _reply(line, suback(line, data, 0x55))
    ),
    "SUBACK that ends early": Oddity(SUBSCRIBE, says(packet(0x90, b"\x00"))),
    "SUBACK for another packet": Oddity(SUBSCRIBE, says(packet(0x90, b"\xff\xf0\x00\x01"))),
    "no SUBACK": Oddity(SUBSCRIBE, _silent),
    "PUBACK for what was not sent": Oddity(SUBSCRIBE, adds(packet(0x40, b"\xff\xf0"))),
    "PUBACK that ends early": Oddity(SUBSCRIBE, adds(packet(0x40, b"\x00"))),
    "PUBREC for what was not sent": Oddity(SUBSCRIBE, adds(packet(0x50, b"\xff\xf0"))),
    "PUBREL for what was not sent": Oddity(SUBSCRIBE, adds(packet(0x62, b"\xff\xf0"))),
    "PUBCOMP for what was not sent": Oddity(SUBSCRIBE, adds(packet(0x70, b"\xff\xf0"))),
    "UNSUBACK for what was not sent": Oddity(
        SUBSCRIBE, adds(packet(UNSUBACK << 4, b"\xff\xf0\x00\x00"))
    ),
    "a second CONNACK": Oddity(SUBSCRIBE, adds(_connack(0))),
    "PINGRESP for no PINGREQ": Oddity(SUBSCRIBE, adds(packet(0xD0, b""))),
    "CONNECT from the broker": Oddity(
        SUBSCRIBE, adds(packet(0x10, b"\x00\x04MQTT\x05\x02\x00\x05"))
    ),
    "SUBSCRIBE from the broker": Oddity(
        SUBSCRIBE, adds(packet(0x82, b"\x00\x01\x00\x00\x01t\x00"))
    ),
    "packet type 0": Oddity(SUBSCRIBE, adds(packet(0x00, b""))),
    "AUTH in the middle": Oddity(SUBSCRIBE, adds(packet(0xF0, b"\x18\x00")), FIVE),
    "AUTH instead of CONNACK": Oddity(CONNECT, says(packet(0xF0, b"\x18\x05\x15\x00\x02xx")), FIVE),
    "DISCONNECT, shutting down": Oddity(SUBSCRIBE, says(packet(0xE0, b"\x8b\x00")), FIVE),
    "DISCONNECT, use another server": Oddity(
        SUBSCRIBE, says(packet(0xE0, b"\x9c\x05\x1c\x00\x02ab")), FIVE
    ),
    "DISCONNECT, with a reason in words": Oddity(
        SUBSCRIBE, says(packet(0xE0, b"\x97\x05\x1f\x00\x02ab")), FIVE
    ),
    "DISCONNECT with a code that does not exist": Oddity(
        SUBSCRIBE, says(packet(0xE0, b"\x33\x00")), FIVE
    ),
    "DISCONNECT without a code": Oddity(SUBSCRIBE, says(packet(0xE0, b""))),
    "DISCONNECT that ends early": Oddity(SUBSCRIBE, says(packet(0xE0, b"\x8b\x09\x1f")), FIVE),
    "CONNACK with a client id": Oddity(CONNECT, says(_connack(0, b"\x12\x00\x03abc")), FIVE),
    "CONNACK with a property that does not exist": Oddity(
        CONNECT, says(_connack(0, b"\x7f\x00")), FIVE
    ),
    "CONNACK, busy": Oddity(CONNECT, says(_connack(0x89)), FIVE),
    "CONNACK, quota exceeded": Oddity(CONNECT, says(_connack(0x97)), FIVE),
    "CONNACK, server moved": Oddity(CONNECT, says(_connack(0x9D, b"\x1c\x00\x02ab")), FIVE),
    "CONNACK with a code that does not exist": Oddity(CONNECT, says(_connack(0x33)), FIVE),
    "CONNACK of 3.1.1, unavailable": Oddity(CONNECT, says(b"\x20\x02\x00\x03"), (4,)),
    "CONNACK of 3.1.1 with an unknown code": Oddity(CONNECT, says(b"\x20\x02\x00\x63"), (4,)),
    "CONNACK that ends early": Oddity(CONNECT, says(packet(0x20, b"\x00"))),
    "CONNACK with Receive Maximum 0": Oddity(CONNECT, says(_connack(0, b"\x21\x00\x00")), FIVE),
    "CONNACK with Maximum Packet Size 0": Oddity(
        CONNECT, says(_connack(0, b"\x27\x00\x00\x00\x00")), FIVE
    ),
    "CONNACK that resumes no session": Oddity(CONNECT, says(_connack(0, flags=1)), FIVE),
    "nothing after accepting": Oddity(CONNECT, _silent),
    "half a packet, and nothing more": Oddity(SUBSCRIBE, says(b"\x30\x64\x00\x01t")),
    "an HTTP error": Oddity(CONNECT, says(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
    "a topic alias that we do not allow": Oddity(
        SUBSCRIBE, says(publish(5, b"", b"x", properties=b"\x23\x00\x01")), FIVE
    ),
    "a topic alias beside a topic": Oddity(
        SUBSCRIBE, says(publish(5, b"t/1", b"x", properties=b"\x23\x00\x01")), FIVE
    ),
    "a reset": Oddity(SUBSCRIBE, _reset),
    "no PUBACK for the first message": Oddity(PUBLISH, _silent),
    "no PINGRESP": Oddity(PINGREQ, _silent),
}  # fmt: skip
CASES = [
    pytest.param(oddity, version, id=f"{name}-{version}")
    for name, oddity in ODDITIES.items()
    for version in oddity.versions
]


def _reply(line: Line, data: bytes) -> bool:
    line.send(data)
    return True


def odd(oddity: Oddity) -> Do:
    """Once on each of the first connections of our lanes."""
    done: set[Line] = set()

    def do(line: Line, data: bytes) -> bool:
        if frames.kind(data) != oddity.on or line.client_id not in LANES or line in done:
            return False
        if oddity.do is not _silent or oddity.on == PUBLISH:
            done.add(line)
        return oddity.do(line, data)

    return do


@contextlib.asynccontextmanager
async def running(
    broker: OddBroker, version: Version
) -> AsyncIterator[tuple[MqttTransport, list[Delivery]]]:
    """A transport that is subscribed to t/# on the intake and c/# on the control lane."""
    settings = ConnectionSettings(
        f"mqtt://{HOST}:{broker.port}", "box", protocol=PROTOCOLS[version],
        connect_timeout=0.5, keepalive=1,
    )  # fmt: skip
    transport = MqttTransport(settings, AiomqttWire)
    got: list[Delivery] = []

    def receive(delivery: Delivery) -> None:
        got.append(delivery)
        delivery.done()

    await transport.subscribe("t/#", 1, 1)
    await transport.subscribe("c/#", 1, 2, "control")
    await transport.start(receive, Link())
    try:
        yield transport, got
    finally:
        await transport.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a broker on loopback does not answer at once it does not answer."""
    for module in (basics, visit):
        monkeypatch.setattr(module, "LEAST_PATIENCE", 0.1)
    monkeypatch.setattr(placement, "NO_SUBACK", 0.3)
    monkeypatch.setattr(connection, "ASK_AGAIN", 0.1)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("oddity", "version"), CASES)
async def test_no_oddity_of_a_broker_wedges_a_lane(
    oddity: Oddity, version: Version, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether it ends the connection or not: in the end both lanes receive, and we can publish."""
    caplog.set_level(logging.INFO)
    async with (
        OddBroker(odd(oddity)).opened() as broker,
        running(broker, version) as (transport, got),
    ):
        await until(lambda: transport.connected, "connected after all")

        def works() -> bool:
            """On both lanes at once."""
            lines = [broker.of(lane)[-1] for lane in LANES]
            for line, topic in zip(lines, (b"t/1", b"c/1"), strict=True):
                if any(frames.kind(each) == SUBSCRIBE for each in line.came):
                    line.send(publish(version, topic, b"works"))
            return {d.topic for d in got if d.payload == b"works"} == {"t/1", "c/1"}

        await until(works, "what is published comes on both lanes")
        await until(lambda: transport.connected, "still connected")
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(Exception):
                    async with asyncio.timeout(3):
                        await transport.publish(Message("x", b"", 1))
                        break
                await asyncio.sleep(0.01)
        for lane in LANES:
            assert any(frames.kind(each) == SUBSCRIBE for each in broker.of(lane)[-1].came)
    assert not [record for record in caplog.records if record.exc_info], caplog.text


@pytest.mark.usefixtures("impatient")
async def test_a_packet_limit_below_any_subscription_ends_no_lane(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log names the filter; what fits is still published."""
    async with (
        OddBroker(told=b"\x27\x00\x00\x00\x08").opened() as broker,
        running(broker, 5) as (transport, _),
    ):
        await until(lambda: transport.connected, "connected")
        async with asyncio.timeout(5):
            await transport.publish(Message("x", b"", 1))
        assert [len(broker.of(lane)) for lane in LANES] == [1, 1]
    told = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert sorted(message.split(":")[0] for message in told) == ["c/#", "t/#"]
