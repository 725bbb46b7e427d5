"""Sizes and fields, against paho's own encoder."""

from __future__ import annotations

import contextlib
from random import Random
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import Client, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from dskity.broker.aiomqtt import fields as aiomqtt_fields
from dskity.broker.packets.framing import Frames
from dskity.broker.packets.incoming import decode
from dskity.broker.packets.outgoing import encode
from dskity.broker.packets.sizes import publish_size, subscribe_size
from dskity.broker.packets.values import Malformed
from dskity.broker.settings import MAX_INCOMING_PACKET
from dskity.broker.wire import expiry_seconds
from dskity.bus.delivery import Meta
from dskity.bus.message import Message

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
messages = st.builds(
    Message,
    topic=st.sampled_from(["a", "é/ü", "x" * 200]),
    payload=st.binary(max_size=300) | st.just(b"x" * 20_000),
    qos=st.sampled_from([0, 1, 2]),
    retain=st.booleans(),
    content_type=st.none() | texts,
    headers=st.dictionaries(texts, texts, max_size=4),
    reply_to=st.none() | st.sampled_from(["r", "r/é"]),
    correlation=st.none() | st.binary(max_size=40),
    expires_in=st.none() | st.floats(0.01, 1e6),
)


class _Paper(Client):
    """paho's client, whose packets go on paper."""

    def __init__(self, *, five: bool) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, protocol=MQTTv5 if five else MQTTv311)
        self.sent = b""

    def _packet_queue(  # type: ignore[override]
        self, command: int, packet: bytes, mid: int, qos: int, info: object = None
    ) -> int:
        self.sent = bytes(packet)
        return 0


def by_paho(message: Message, *, five: bool) -> bytes:
    """The packet as paho sends it."""
    paho = _Paper(five=five)
    paho._sock = cast("Any", True)  # it sends nothing where it has none
    properties = aiomqtt_fields.publish_properties(message) if five else None
    paho._send_publish(
        7, message.topic.encode(), message.payload, message.qos, message.retain, False, None,
        properties,
    )  # fmt: skip
    paho._sock = None
    return paho.sent


@given(messages, st.booleans())
def test_the_size_is_that_of_the_packet(message: Message, five: bool) -> None:
    """To the byte."""
    assert publish_size(message, properties=five) == len(by_paho(message, five=five))


@given(st.text(st.sampled_from("aé/"), min_size=1, max_size=300), st.none() | st.integers(1, 10**6))
def test_the_size_of_a_subscribe_is_that_of_the_packet(filter: str, identifier: int | None) -> None:
    """To the byte, by MQTT 5."""
    paho = _Paper(five=True)
    paho._sock = cast("Any", True)
    named = None if identifier is None else aiomqtt_fields.subscribe_properties(identifier)
    paho.subscribe(filter, options=SubscribeOptions(1), properties=named)
    paho._sock = None
    assert subscribe_size(filter, identifier) == len(paho.sent)


@given(messages, st.booleans())
def test_a_packet_is_encoded_as_the_library_does(message: Message, five: bool) -> None:
    """To the byte, but for the order of the properties, which is free."""
    packet, theirs = b"".join(encode(message, 7, five=five)), by_paho(message, five=five)
    if not five:
        assert packet == theirs
        return
    assert parts(packet, message) == parts(theirs, message)


def parts(packet: bytes, message: Message) -> tuple[bytes, dict[str, Any], bytes]:
    """Of MQTT 5: what is before the properties, those as paho reads them, and the payload."""
    head = len(packet) - len(message.payload)
    at = packet.index(message.topic.encode()) + len(message.topic.encode())
    at += 2 if message.qos else 0
    read = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    read.unpack(packet[at:])  # type: ignore[no-untyped-call]
    return packet[:at], read.json(), packet[head:]  # type: ignore[no-untyped-call]


@given(messages, st.booleans())
def test_a_packet_decodes_to_what_was_sent(message: Message, five: bool) -> None:
    """On 3.1.1 without properties."""
    frames = Frames(MAX_INCOMING_PACKET)
    frames.feed(by_paho(message, five=five))
    ((header, body),) = frames
    delivery, mid = decode(header, body, five=five)
    assert (delivery.topic, delivery.payload) == (message.topic, message.payload)
    assert (delivery.qos, delivery.retain, mid) == (
        message.qos, message.retain, 7 if message.qos else 0,
    )  # fmt: skip
    assert delivery.meta == (expected(message) if five else None)


@given(st.lists(messages, max_size=5), st.randoms())
def test_packets_are_found_however_the_stream_is_cut(sent: list[Message], random: Random) -> None:
    stream = b"".join(by_paho(message, five=True) for message in sent)
    frames, found, at = Frames(MAX_INCOMING_PACKET), [], 0
    while at < len(stream):
        size = random.choice([1, 2, 7, 400, 30_000])
        frames.feed(stream[at : at + size])
        found += list(frames)
        at += size
    assert [decode(header, body, five=True)[0].payload for header, body in found] == [
        message.payload for message in sent
    ]


@given(messages, st.integers(1, 200))
def test_a_packet_that_is_cut_short_is_malformed_or_shorter(message: Message, cut: int) -> None:
    """Nothing else is raised: whoever reads can tell a bad peer from a fault of ours."""
    frames = Frames(MAX_INCOMING_PACKET)
    frames.feed(by_paho(message, five=True))
    ((header, body),) = frames
    with contextlib.suppress(Malformed):
        decode(header, body[:-cut], five=True)


@given(messages)
def test_what_the_library_reads_are_the_same_fields(message: Message) -> None:
    """paho's properties give one `Meta`."""
    paho = aiomqtt_fields.publish_properties(message)
    if paho is not None:
        received = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        received.unpack(paho.pack())  # type: ignore[no-untyped-call]
        assert aiomqtt_fields.meta_of(received) == expected(message)


def expected(message: Message) -> Meta | None:
    """What a receiver should see."""
    meta = Meta(
        message.content_type,
        message.headers,
        message.reply_to,
        message.correlation,
        expiry_seconds(message),
    )
    return None if meta == Meta() else meta
