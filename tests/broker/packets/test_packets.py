"""Sizes and fields, against the libraries' own encoders."""

from __future__ import annotations

import contextlib
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from mqttium.enums import MQTTProtocolVersion, QoS
from mqttium.packets.publish import PublishPacket
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from dskity.broker.aiomqtt import fields as aiomqtt_fields
from dskity.broker.mqttium import fields as mqttium_fields
from dskity.broker.packets.framing import Frames
from dskity.broker.packets.incoming import decode
from dskity.broker.packets.outgoing import encode
from dskity.broker.packets.sizes import publish_size
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


def by_mqttium(message: Message, *, five: bool) -> bytes:
    """The packet as mqttium sends it."""
    packet = PublishPacket(
        message.topic,
        message.payload,
        QoS(message.qos),
        message.retain,
        dup=False,
        mid=7 if message.qos else None,
        properties=mqttium_fields.publish_properties(message) if five else None,
    )
    return packet.encode(MQTTProtocolVersion(5 if five else 4))


@given(messages, st.booleans())
def test_the_size_is_that_of_the_packet(message: Message, five: bool) -> None:
    """To the byte."""
    assert publish_size(message, properties=five) == len(by_mqttium(message, five=five))


@given(messages, st.booleans())
def test_a_packet_is_encoded_as_the_library_does(message: Message, five: bool) -> None:
    """To the byte."""
    packet = b"".join(encode(message, 7, five=five))
    assert packet == by_mqttium(message, five=five)


@given(messages, st.booleans())
def test_a_packet_decodes_to_what_was_sent(message: Message, five: bool) -> None:
    """On 3.1.1 without properties."""
    frames = Frames(MAX_INCOMING_PACKET)
    frames.feed(by_mqttium(message, five=five))
    ((header, body),) = frames
    delivery, mid = decode(header, body, five=five)
    assert (delivery.topic, delivery.payload) == (message.topic, message.payload)
    assert (delivery.qos, delivery.retain, mid) == (
        message.qos, message.retain, 7 if message.qos else 0,
    )  # fmt: skip
    assert delivery.meta == (expected(message) if five else None)


@given(st.lists(messages, max_size=5), st.randoms())
def test_packets_are_found_however_the_stream_is_cut(sent: list[Message], random: Random) -> None:
    stream = b"".join(by_mqttium(message, five=True) for message in sent)
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
    frames.feed(by_mqttium(message, five=True))
    ((header, body),) = frames
    with contextlib.suppress(Malformed):
        decode(header, body[:-cut], five=True)


@given(messages)
def test_both_libraries_read_the_same_fields(message: Message) -> None:
    """mqttium's properties and paho's give one `Meta`."""
    paho = aiomqtt_fields.publish_properties(message)
    mqttium = mqttium_fields.publish_properties(message)
    if paho is not None:
        received = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        received.unpack(paho.pack())  # type: ignore[no-untyped-call]
        assert aiomqtt_fields.meta_of(received) == expected(message)
    assert mqttium_fields.meta_of(mqttium) == expected(message)


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
