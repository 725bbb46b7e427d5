"""Rules of MQTT 3.1.1 that the built-in broker keeps."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from tests.engines.device import HOST, Device, device
from tests.waiting import until

CONNECT = b"\x10\x10\x00\x04MQTT\x04\x02\x00\x00\x00\x04raw1"
CONNACK = b"\x20\x02\x00\x00"


def publish_packet(topic: str, payload: bytes = b"x", qos: int = 0, mid: int = 1) -> bytes:
    """The bytes of a short PUBLISH."""
    body = struct.pack(">H", len(topic)) + topic.encode()
    body += struct.pack(">H", mid) if qos else b""
    body += payload
    assert len(body) < 128
    return bytes((0x30 | qos << 1, len(body))) + body


@contextlib.asynccontextmanager
async def raw(port: int, first: bytes = CONNECT) -> AsyncIterator[Raw]:
    """A bare connection that has sent `first`, and had a CONNECT accepted."""
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(first)
    if first == CONNECT:
        assert await reader.readexactly(4) == CONNACK
    try:
        yield Raw(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


class Raw(NamedTuple):
    """The two ends."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def rest(self) -> bytes:
        """What comes until the broker closes the connection, which it soon must."""
        return await asyncio.wait_for(self.reader.read(), 5)


async def test_a_clean_disconnect_discards_the_will(port: int) -> None:
    """Also when the connection is closed in the same instant, as most clients do."""
    async with device(port) as watcher:
        await watcher.subscribe("#")
        for _ in range(5):
            async with device(port, will="wills/polite"):
                pass
        await watcher.publish("end")
        await until(lambda: ("end", b"x", 1, False) in watcher.received, "the end")
    assert [topic for topic, *_ in watcher.received] == ["end"]


async def test_a_lost_connection_publishes_the_will(port: int) -> None:
    async with device(port) as watcher:
        await watcher.subscribe("wills/#")
        lost = Device(port, will="wills/lost")
        await lost.connect()
        await lost.vanish()
        await until(lambda: watcher.received, "the will")


async def test_a_silent_client_is_gone_after_one_and_a_half_keep_alives(port: int) -> None:
    will = b"\x00\x01w\x00\x01x"
    connect = b"\x10\x13\x00\x04MQTT\x04\x06\x00\x01\x00\x01k" + will
    async with device(port) as watcher:
        await watcher.subscribe("w", qos=0)
        async with raw(port, connect) as silent:
            assert await silent.rest() == CONNACK
        await until(lambda: watcher.received, "the will")


async def test_delivery_takes_the_lower_of_published_and_granted_qos(port: int) -> None:
    async with device(port) as one, device(port) as zero:
        await one.subscribe("t", qos=1)
        await zero.subscribe("t", qos=0)
        await one.publish("t", qos=0)
        await one.publish("t", qos=1)
        await until(lambda: len(one.received) == len(zero.received) == 2, "two each")
    assert [qos for _, _, qos, _ in one.received] == [0, 1]
    assert [qos for _, _, qos, _ in zero.received] == [0, 0]


async def test_a_new_subscription_to_the_same_filter_replaces_the_old_one(port: int) -> None:
    async with device(port) as one:
        await one.subscribe("t", qos=0)
        await one.subscribe("t", qos=1)
        await one.publish("t")
        await until(lambda: one.received, "the message")
        await one.publish("end")
    assert one.received == [("t", b"x", 1, False)]


async def test_a_message_that_matches_two_filters_comes_once_at_the_higher_qos(
    port: int,
) -> None:
    async with device(port) as one:
        await one.subscribe("a/+", qos=0)
        await one.subscribe("a/#", qos=1)
        await one.publish("a/b", b"1")
        await one.publish("a/b", b"2")
        await until(lambda: len(one.received) == 2, "both")
    assert one.received == [("a/b", b"1", 1, False), ("a/b", b"2", 1, False)]


async def test_what_a_kept_session_has_not_acknowledged_comes_again_marked(port: int) -> None:
    connect = CONNECT[:9] + b"\x00" + CONNECT[10:]  # no clean session
    first = publish_packet("t", qos=1)
    async with device(port) as other:
        async with raw(port, connect) as client:
            client.writer.write(b"\x82\x06\x00\x01\x00\x01t\x01")
            assert await client.reader.readexactly(9) == CONNACK + b"\x90\x03\x00\x01\x01"
            await other.publish("t")
            assert await client.reader.readexactly(len(first)) == first
        async with raw(port, connect) as client:
            again = await client.reader.readexactly(4 + len(first))
            assert again == b"\x20\x02\x01\x00" + bytes((first[0] | 0x08,)) + first[1:]
            client.writer.write(b"\x40\x02\x00\x01\xc0\x00")  # PUBACK, PINGREQ
            assert await client.reader.readexactly(2) == b"\xd0\x00"
        async with raw(port, connect) as client:
            client.writer.write(b"\xc0\x00")
            assert await client.reader.readexactly(6) == b"\x20\x02\x01\x00\xd0\x00"


async def test_qos_2_arrives_once_though_its_publish_is_sent_twice(port: int) -> None:
    packet = publish_packet("t", qos=2)
    async with device(port) as other:
        await other.subscribe("#", qos=2)
        async with raw(port) as client:
            client.writer.write(packet + packet + b"\x62\x02\x00\x01" + b"\x62\x02\x00\x01")
            answers = await client.reader.readexactly(16)
        await other.publish("end", qos=2)
        await until(lambda: len(other.received) == 2, "both")
    assert answers == 2 * b"\x50\x02\x00\x01" + 2 * b"\x70\x02\x00\x01"
    assert [(topic, qos) for topic, _, qos, _ in other.received] == [("t", 2), ("end", 2)]


async def test_qos_1_waits_for_a_client_that_is_away_and_is_not_marked_retained(
    port: int,
) -> None:
    async with device(port, "sleeper", clean=False) as sleeper:
        await sleeper.subscribe("t")
    async with device(port) as other:
        for number in range(20):
            await other.publish("t", b"%d" % number)
    async with device(port, "sleeper", clean=False) as sleeper:
        assert sleeper.resumed
        await until(lambda: len(sleeper.received) == 20, "the queue")
    assert sleeper.received == [("t", b"%d" % number, 1, False) for number in range(20)]


async def test_retained_messages_come_on_subscribe_and_only_then(port: int) -> None:
    async with device(port, "keeper", clean=False) as keeper:
        await keeper.publish("state", b"on", retain=True)
        await keeper.subscribe("state")
        await until(lambda: keeper.received, "on subscribe")
        async with device(port) as stranger:
            await stranger.subscribe("other")
            await stranger.publish("other")
            await until(lambda: stranger.received, "its own")
            assert [topic for topic, *_ in stranger.received] == ["other"]
    async with device(port, "keeper", clean=False) as keeper:
        await keeper.publish("state", b"off")
        await until(lambda: keeper.received, "the new one")
    assert keeper.received == [("state", b"off", 1, False)]


async def test_what_a_client_sent_right_before_its_goodbye_arrives(port: int) -> None:
    async with device(port) as watcher:
        await watcher.subscribe("#", qos=0)
        packets = [publish_packet("t", b"%d" % n, qos=1, mid=n + 1) for n in range(100)]
        async with raw(port) as client:
            client.writer.write(b"".join(packets) + b"\xe0\x00")
            await client.rest()  # closed with its PUBACKs unread, TCP may throw away what it sent
        await until(lambda: len(watcher.received) == 100, "all")
    assert [payload for _, payload, *_ in watcher.received] == [b"%d" % n for n in range(100)]


async def test_the_same_client_id_takes_over_and_keeps_receiving(port: int) -> None:
    for clean in (True, False):
        first = Device(port, "twin", clean=clean)
        await first.connect()
        await first.subscribe("t")
        async with device(port, "twin", clean=clean) as second:
            await second.subscribe("t")
            await second.publish("t", qos=0)
            await until(lambda s=second: s.received, "to the second")  # type: ignore[misc]
            assert not first.received
        await first.disconnect()


@pytest.mark.parametrize(
    "packet",
    [
        publish_packet("a/+"),
        publish_packet(""),
        b"\x30\x04\x00\x02\xff\xff",  # no UTF-8
        b"\x30\x04\x00\x09ab",  # shorter than its topic
        b"\x30\xff\xff\xff\xff\x01",  # five bytes of length
        b"\x82\x03\x00\x01\x00",  # a SUBSCRIBE whose filter ends early
        b"\x82\x02\x00\x01",  # one without filters
        b"\x82\x05\x00\x01\x00\x00\x01",  # with an empty filter
        b"\x82\x06\x00\x01\x00\x01a\x03",  # of QoS 3
        b"\x80\x06\x00\x01\x00\x01a\x01",  # without the flag of a SUBSCRIBE
        b"\xa2\x02\x00\x01",  # an UNSUBSCRIBE without filters
        b"\x36\x05\x00\x01a\x00\x01",  # a PUBLISH of QoS 3
        b"\x32\x05\x00\x01a\x00\x00",  # without a packet identifier
        b"\x40\x00",  # a PUBACK of nothing
        b"\x62\x01\x00",  # half a PUBREL
        b"\x20\x02\x00\x00",  # a CONNACK, which only a broker sends
    ],
)
async def test_a_malformed_packet_cuts_off_its_client_alone(port: int, packet: bytes) -> None:
    """And what follows it is not taken for packets."""
    async with device(port) as other:
        await other.subscribe("#")
        async with raw(port) as client:
            client.writer.write(packet + publish_packet("smuggled"))
            assert await client.rest() == b""
        await other.publish("a/b")
        await until(lambda: other.received, "its message")
    assert [topic for topic, *_ in other.received] == ["a/b"]


async def test_a_packet_over_the_limit_cuts_off_its_client(port: int) -> None:
    async with raw(port) as client:
        client.writer.write(b"\x30\xff\xff\xff\x7f\x00\x01t")
        assert await client.rest() == b""


async def test_subscriptions_end_with_unsubscribe_and_the_others_stay(port: int) -> None:
    async with device(port) as one, device(port) as other:
        for filter in ("a/+", "a/b", "#"):
            await one.subscribe(filter)
        await other.subscribe("a/+")
        await one.unsubscribe("a/+")
        await one.unsubscribe("#")
        await other.publish("a/b")
        await other.publish("a/c")
        await until(lambda: len(other.received) == 2, "both to the other")
        await one.publish("a/b", b"end")
        await until(lambda: ("a/b", b"end", 1, False) in one.received, "the end")
    assert [topic for topic, *_ in one.received] == ["a/b", "a/b"]
