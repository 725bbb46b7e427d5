"""Packets that no broker should send, and good ones at awkward moments."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct

import pytest

from dskity.broker.aiomqtt.wire import AiomqttWire
from dskity.broker.settings import MAX_INCOMING_PACKET, ConnectionSettings
from dskity.broker.wire import ConnectRequest, Version
from dskity.bus.delivery import Delivery
from dskity.bus.errors import NotConnected
from dskity.bus.message import Message
from tests.broker.raw import PUBACK, PUBLISH, packet, publish, session
from tests.servers import HOST
from tests.waiting import until

VERSIONS: tuple[Version, ...] = (5, 4)
QOS_1 = 0x32

BAD: dict[str, bytes] = {
    "a topic that is longer than the packet": packet(0x30, b"\x00\x64topic"),
    "a topic that leaves no room for a packet identifier": packet(QOS_1, b"\x00\x01t\x00"),
    "no packet identifier": packet(QOS_1, b"\x00\x01t\x00\x00\x00"),
    "nothing at all": packet(0x30, b""),
    "QoS 3": packet(0x36, b"\x00\x01t\x00\x01\x00"),
    "QoS 2 and a topic that is not UTF-8": packet(0x34, b"\x00\x01\xff\x00\x01\x00"),
    "a topic that is not UTF-8": packet(0x30, b"\x00\x01\xff\x00"),
    "an empty topic": packet(0x30, b"\x00\x00\x00"),
    "a topic with a wildcard": packet(0x30, b"\x00\x03a/+\x00"),
    "a topic with NUL": packet(0x30, b"\x00\x01\x00\x00"),
    "a length of five bytes": b"\x30\x80\x80\x80\x80\x01",
    "more than we said that we take": packet(0x30, b"")[:1] + b"\x80\x80\x80\x10",
}  # fmt: skip
BAD_PROPERTIES: dict[str, bytes] = {
    "a property that does not exist": b"\x7f\x00",
    "a property of another packet": b"\x11\x00\x00\x00\x01",
    "a topic alias, of which we allow none": b"\x23\x00\x01",
    "a text that ends early": b"\x03\x00\x05ab",
    "a text that is not UTF-8": b"\x03\x00\x01\xff",
    "a number that ends early": b"\x02\x00\x00",
    "a number of five bytes": b"\x0b\x80\x80\x80\x80\x01",
    "the name of a header alone": b"\x26\x00\x01a",
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
async def test_a_malformed_packet_ends_the_connection_and_nothing_after_it_counts(
    version: Version, bad: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """What came whole before it does; the log has no traceback for a fault of the other side."""
    with caplog.at_level(logging.ERROR):
        async with session(version) as opened:
            good = publish(version, b"t", b"before")
            opened.broker.write(good + bad + publish(version, b"t", b"after"))
            async with asyncio.timeout(5):
                assert await opened.wire.lost()
            assert opened.payloads == [b"before"]
            opened.broker.write(publish(version, b"t", b"later"))
            with pytest.raises(NotConnected):
                await opened.wire.publish(Message("t"))
        assert opened.payloads == [b"before"]
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("bad", BAD_PROPERTIES.values(), ids=BAD_PROPERTIES)
async def test_a_malformed_property_ends_the_connection(bad: bytes) -> None:
    """One table in another's length included."""
    async with session(5) as opened:
        opened.broker.write(publish(5, b"t", b"x" * 20, properties=bad))
        async with asyncio.timeout(5):
            assert await opened.wire.lost()
        assert opened.payloads == []


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_packet_may_come_byte_by_byte(version: Version) -> None:
    """And two in one piece."""
    async with session(version) as opened:
        for byte in publish(version, b"t", b"slow", first=QOS_1, mid=7):
            opened.broker.write(bytes([byte]))
            await asyncio.sleep(0)
        opened.broker.write(publish(version, b"t", b"1") + publish(version, b"t", b"2"))
        await opened.got(3)
        assert opened.payloads == [b"slow", b"1", b"2"]
        opened.deliveries[0].done()
        await until(lambda: opened.broker.of(PUBACK), "its PUBACK")
        assert opened.broker.of(PUBACK) == [b"\x40\x02\x00\x07"]


async def test_all_that_mqtt_5_allows_is_understood() -> None:
    """Several subscription identifiers, a header twice, a long table, an odd length."""
    names = b"\x0b\x05" + b"\x0b\xff\xff\xff\x7f"
    headers = b"\x26\x00\x01a\x00\x011" + b"\x26\x00\x01a\x00\x012"
    async with session(5) as opened:
        opened.broker.write(publish(5, b"t", b"x", properties=names + headers + b"\x01\x01"))
        long = b"\x26\x00\x01a" + b"\x00\xc8" + b"v" * 200
        opened.broker.write(packet(0x30, b"\x00\x01t" + b"\xce\x01" + long + b"y"))
        await opened.got(2)
        metas = [delivery.meta for delivery in opened.deliveries]
        assert metas[0] is not None
        assert metas[0].subscriptions == (5, 268_435_455)
        assert metas[0].headers == {"a": "2"}
        assert metas[1] is not None
        assert metas[1].headers == {"a": "v" * 200}
        assert opened.payloads == [b"x", b"y"]


async def test_an_acknowledgement_is_that_of_its_own_packet() -> None:
    """paho numbers QoS 0, too, and goes round: what left must not answer for what waits."""
    async with session(5) as opened:
        assert isinstance(opened.wire, AiomqttWire)
        waiting = asyncio.create_task(opened.wire.publish(Message("one", b"", 1)), name="one")
        await until(lambda: opened.broker.of(PUBLISH), "it is on its way")
        (sent,) = opened.broker.came
        assert opened.wire._client is not None
        opened.wire._client.paho._last_mid = 65_534  # after as many messages of QoS 0
        for _ in range(3):
            await opened.wire.publish(Message("flood", b"", 0))
        await until(lambda: len(opened.broker.came) == 4, "all have arrived")
        await asyncio.sleep(0)
        assert not waiting.done(), "acknowledged by nobody"
        opened.broker.write(b"\x40\x02" + sent[7:9])
        assert await waiting is True


async def test_pausing_and_resuming_when_the_connection_is_gone_does_nothing() -> None:
    """Handlers end whenever they do; the bus resumes then, whatever the connection is at."""
    async with session(5) as opened:
        opened.wire.pause()
        opened.broker.write(b"\x30\x80\x80\x80\x80\x01\xe0\x00")
        opened.wire.resume()
        async with asyncio.timeout(5):
            assert await opened.wire.lost()
        opened.wire.pause()
        opened.wire.resume()
    opened.wire.pause()
    opened.wire.resume()


async def test_what_a_pause_held_back_does_not_come_from_a_connection_that_is_gone() -> None:
    """The broker sends it again on the next one."""
    async with session(5) as opened:
        opened.handle = lambda _: opened.wire.pause()
        two = b"".join(publish(5, b"t", b"x", first=QOS_1, mid=mid) for mid in (1, 2))
        opened.broker.write(two + b"\xe0\x00")
        await opened.got(1)
        opened.broker.hang_up()
        await opened.wire.close()
        opened.wire.resume()
        await asyncio.sleep(0)
        assert opened.payloads == [b"x"]


async def test_short_breaths_do_not_fill_the_memory() -> None:
    """Each message pauses, and is handled a moment later: what is read ahead stays bounded."""
    loop = asyncio.get_running_loop()
    async with session(5) as opened:

        def handle(_: Delivery) -> None:
            opened.wire.pause()
            loop.call_soon(opened.wire.resume)

        opened.handle = handle
        opened.broker.write(publish(5, b"t", os.urandom(1000)) * 50_000)
        await opened.got(1000)
        assert opened.broker.unsent > 30_000_000, "it has read ahead of what is handled"


def test_what_we_take_is_what_we_say() -> None:
    """The packet above announces more than that."""
    assert MAX_INCOMING_PACKET < 0x10 << 21


async def test_a_reset_instead_of_a_connack_is_known_at_once() -> None:
    """Not when the time for connecting is over: there may be another broker to try."""

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        stream = writer.get_extra_info("socket")
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with await asyncio.start_server(reset, HOST, 0) as server:
        url = f"mqtt://{HOST}:{server.sockets[0].getsockname()[1]}"
        settings = ConnectionSettings(url, "box", connect_timeout=30)
        opening = ConnectRequest(settings, "box", 5, clean_start=True, session_expiry=0)
        async with asyncio.timeout(5):
            with pytest.raises(NotConnected):
                await AiomqttWire(opening, lambda _: None, None).open()
