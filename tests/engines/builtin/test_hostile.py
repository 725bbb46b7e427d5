"""Whatever a client sends to the built-in broker, it ends itself alone."""

from __future__ import annotations

import asyncio
import contextlib
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dskity.broker.engines.builtin.listener import Listener
from dskity.broker.engines.builtin.server import Rules
from dskity.broker.engines.builtin.websocket import WebSocketClient
from dskity.broker.engines.builtin.websocket_frames import (
    BadWebSocket,
    Handshake,
    Unframed,
    frame,
)
from dskity.broker.engines.listen import Listen
from dskity.broker.engines.origin import Origins
from dskity.broker.packets.connect import read_connect
from dskity.broker.packets.forwarded import MOST_LEVELS
from dskity.broker.packets.values import Malformed
from dskity.bus.base.throttled_log import Allowance
from tests.engines.builtin.scripted import (
    House,
    ack,
    connect,
    packet,
    publish,
    subscribe,
    table,
    text,
)

GOOD = (
    subscribe(("a/+", 1), ("$share/g/#", 2)),
    publish("a/b", b"1", 1, 1),
    publish("a/b", b"2", 2, 2, properties=b"\x26" + text("k") + text("v")),
    ack(0x62, 2),
    publish("a/c", b"3", retain=True, properties=b"\x23\x00\x01"),
    publish("", b"4", properties=b"\x23\x00\x01\x02\x00\x00\x00\x09"),
    b"\xc0\x00",
    packet(0xA2, b"\x00\x03\x00" + text("a/+")),
)


def works(house: House) -> bool:
    """Whether another client gets its own message."""
    other = house.named("other")
    other.send(subscribe(("mine", 0)), publish("mine"))
    return [message.topic for message in other.messages()] == ["mine"]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_end_their_connection_at_most(data: bytes, connected: bool) -> None:
    house = House()
    client = house.named("victim") if connected else house.client(b"")
    client.send(data)
    assert works(house)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_damage_to_good_packets_ends_their_connection_at_most(data: st.DataObject) -> None:
    """A byte that is changed, left out or put in, at any place of a conversation."""
    stream = bytearray(connect(properties=b"\x11\x00\x00\x00\x0a") + b"".join(GOOD))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(stream) - 1))
        stream[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    house = House()
    client = house.client(b"")
    client.send(bytes(stream))
    client.connection.lost()
    assert works(house)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=200))
def test_packets_may_come_in_any_pieces(sizes: list[int]) -> None:
    """The answers are those of one piece."""
    stream = connect() + b"".join(GOOD)
    whole = House().client(b"")
    whole.send(stream)
    pieces, at = House().client(b""), 0
    for size in sizes:
        pieces.send(stream[at : at + size])
        at += size
    pieces.send(stream[at:])
    assert sorted(pieces.take()) == sorted(whole.take())
    assert pieces.open


@pytest.mark.parametrize("five", [True, False])
def test_a_stranger_holds_no_more_than_a_connect(five: bool) -> None:
    """A forged length is refused before its bytes come; what is kept of it is what came."""
    house = House()
    client = house.client(b"\x10\xff\xff\xff\x7f" + bytes(1_000), five=five)
    assert client.closed
    tracemalloc.start()
    for _ in range(50):
        house.client(b"\x10\xff\xff\x0f" + bytes(100_000))  # as long as a CONNECT may be
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 50 * Rules().max_connect


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (connect(), 0x82),  # a second one ([MQTT-3.1.0-2])
        (b"\xf0\x00", 0x82),  # AUTH without an authentication
        (b"\x20\x03\x00\x00\x00", 0x82),  # what only a broker sends
        (b"\x00\x00", 0x82),
        (b"\xc1\x00", 0x81),
        (b"\xc0\x01\x00", 0x81),
        (publish("a/#"), 0x90),
        (publish("a\0"), 0x90),
        (publish(""), 0x82),
        (b"\x36\x06\x00\x01t\x00\x01\x00", 0x81),  # QoS 3
        (publish("t", qos=1, mid=0), 0x82),
        (publish("t", duplicate=True), 0x81),
        (publish("t", properties=b"\x08" + text("a/#")), 0x82),
        (publish("t", properties=b"\x0b\x01"), 0x82),  # an identifier, which only a broker names
        (publish("t", properties=b"\x02\x00\x00\x00\x01" * 2), 0x82),
        (publish("t", properties=b"\x01\x02"), 0x82),  # no such payload format
        (publish("t", properties=b"\x03\x00\x02\xff\xff"), 0x81),
        (subscribe(), 0x82),
        (subscribe(("", 0)), 0x81),
        (subscribe(("t", 3)), 0x81),
        (subscribe(("t", 0b110000)), 0x81),
        (subscribe(("t", 0x40)), 0x81),
        (subscribe(("t", 0), properties=b"\x0b\x00"), 0x82),
        (subscribe(("t", 0), mid=0), 0x82),
        (subscribe(("$share/g/t", 0b100)), 0x82),  # shared, with No Local
        (packet(0xA2, b"\x00\x01\x00"), 0x82),
        (b"\x82\x03\x00\x01\x7f", 0x81),
        (b"\x30\xff\xff\xff\xff\x01", 0x81),
    ],
)
def test_what_breaks_the_rules_is_answered_with_the_reason(sent: bytes, code: int) -> None:
    house = House()
    client = house.named("one")
    client.send(sent)
    assert client.take() == [(0xE0, bytes((code,)))]
    assert client.closed
    assert works(house)


@pytest.mark.parametrize(
    "body",
    [
        b"\x00\x04MQTT\x05\x03\x00\x00\x00\x00\x00",  # the reserved flag
        b"\x00\x04MQTT\x05\x08\x00\x00\x00\x00\x00",  # the QoS of a will that is none
        b"\x00\x04MQTT\x05\x1c\x00\x00\x00\x00\x00",  # of QoS 3
        b"\x00\x04MQTT\x04\x42\x00\x00\x00\x00",  # 3.1.1: a password without a user
        b"\x00\x04MQTT\x05\x02\x00\x00\x03\x21\x00\x00\x00\x00",  # Receive Maximum 0
        b"\x00\x04MQTT\x05\x02\x00\x00\x02\x19\x02\x00\x00",  # a flag of 2
        b"\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01a!",  # more than it says
        b"\x00\x04MQTX\x05\x02\x00\x00\x00\x00\x00",
    ],
)
def test_a_connect_that_breaks_the_rules_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        read_connect(0x10, body)


def test_topics_and_filters_of_endless_levels_are_refused() -> None:
    client = House().named("one")
    deep = "/" * (MOST_LEVELS + 1)
    client.send(subscribe((deep, 0)), publish(deep, qos=1))
    assert client.take() == [(0x90, b"\x00\x01\x00\x8f"), (0x40, b"\x00\x01\x90")]


def test_subscriptions_of_one_client_have_a_bound() -> None:
    client = House(Rules(max_filters=2)).named("one")
    client.send(subscribe(("a", 0), ("b", 0), ("c", 0), ("a", 1)))
    assert client.take() == [(0x90, b"\x00\x01\x00\x00\x00\x97\x01")]


# WebSocket


def masked(payload: bytes, first: int = 0x82, mask: bytes = b"\x01\x02\x03\x04") -> bytes:
    """A frame as a client sends it."""
    head = bytearray(frame(payload, first & 0x0F))
    head[0] = first
    head[1] |= 0x80
    data = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes(head[: len(head) - len(payload)]) + mask + data


@given(st.lists(st.binary(max_size=400), max_size=5), st.lists(st.integers(1, 50), max_size=60))
def test_frames_may_come_in_any_pieces(payloads: list[bytes], sizes: list[int]) -> None:
    stream = b"".join(map(masked, payloads)) + masked(b"ping", 0x89)
    unframed, at = Unframed(), 0
    found: list[tuple[int, bytes]] = []
    for size in [*sizes, len(stream)]:
        found += unframed.feed(stream[at : at + size])
        at += size
    assert b"".join(payload for opcode, payload in found if opcode == 2) == b"".join(payloads)
    assert [payload for opcode, payload in found if opcode == 9] == [b"ping"]


def test_a_message_may_be_fragmented_with_a_ping_between() -> None:
    stream = masked(b"a", 0x02) + masked(b"", 0x89) + masked(b"b", 0x00) + masked(b"c", 0x80)
    assert b"".join(data for opcode, data in Unframed().feed(stream) if opcode == 2) == b"abc"


@pytest.mark.parametrize(
    "stream",
    [
        b"\x82\x01a",  # not masked
        masked(b"a", 0x81),  # text ([MQTT-6.0.0-1])
        masked(b"a", 0xC2),  # a reserved bit
        masked(b"a", 0x80),  # goes on with what did not begin
        masked(b"a", 0x02) + masked(b"b", 0x82),  # begins in the middle of another
        masked(b"a", 0x09),  # a fragmented ping
        masked(b"a", 0x83),
        b"\x89\xfe\x00\x7e",  # a long ping
    ],
)
def test_frames_against_the_rules_are_refused(stream: bytes) -> None:
    with pytest.raises(BadWebSocket):
        list(Unframed().feed(stream))


@given(st.binary(max_size=200))
def test_any_bytes_are_frames_or_refused(data: bytes) -> None:
    with contextlib.suppress(BadWebSocket):
        list(Unframed().feed(data))


SHAKE = (
    b"GET /mqtt HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    b"Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt"
)


def test_the_handshake_answers_as_the_standard_says() -> None:
    """RFC 6455 1.3 has this key and its answer."""
    assert b"Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in Handshake.parse(SHAKE).answer()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"GET", b"POST"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"Upgrade: websocket\r\n", b""),
        (b"Version: 13", b"Version: 8"),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"dGhl"),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"\xff\xff"),
        (b"Protocol: mqtt", b"Protocol: chat"),
        (b"Host:", b"Host"),
        (b"Host:", b" Host:"),
    ],
)
def test_a_handshake_that_asks_for_something_else_is_refused(old: bytes, new: bytes) -> None:
    with pytest.raises(BadWebSocket):
        Handshake.parse(SHAKE.replace(old, new))


class Wire(asyncio.Transport):
    """A transport that keeps what is written, and can be paused."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.paused = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


def test_small_frames_and_pings_give_a_client_no_longer_turn() -> None:
    """As over TCP: 10 packets, and then others have theirs. Of many pings in one read one is
    answered, the last."""
    house = House(Rules(turn=10))
    wire = Wire()
    client = WebSocketClient(
        Listener(house.server),
        Origins(Listen(port=0, websocket_port=0)),
        Allowance(house.clock),
    )
    client.connection_made(wire)
    client.data_received(SHAKE + b"\r\n\r\n" + masked(connect()))
    house.turn()
    wire.written.clear()
    pings = masked(b"1", 0x89) * 50 + masked(b"2", 0x89)
    client.data_received(masked(b"\xc0\x00") * 25 + pings)
    assert sum(data.count(b"\xd0\x00") for data in wire.written) == 10
    assert [data for data in wire.written if data[0] == 0x8A] == [b"\x8a\x012"]
    assert wire.paused
    house.turn()
    assert sum(data.count(b"\xd0\x00") for data in wire.written) == 25
    assert not wire.paused


def test_no_connection_is_left_when_properties_are_forged() -> None:
    """A table that says it is longer than its packet."""
    client = House().client(packet(0x10, text("MQTT") + b"\x05\x02\x00\x00" + b"\xff\x7f"))
    assert client.closed
    assert table(bytes(200))[:2] == b"\xc8\x01"
