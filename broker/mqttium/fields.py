"""Our fields as mqttium's MQTT 5 properties, and back."""

from __future__ import annotations

from mqttium.api import PublishMessage
from mqttium.packets import ConnAckPacket
from mqttium.types import Properties

from dskity.broker.wire import ConnectRequest, ConnectResult, expiry_seconds
from dskity.bus.delivery import Meta, bare_meta
from dskity.bus.message import NO_HEADERS, Message


def publish_properties(message: Message) -> Properties | None:
    """The properties of a message, or of a will; None where it has none."""
    found = {
        "content_type": message.content_type,
        "user_property": tuple(message.headers.items()) or None,
        "message_expiry_interval": expiry_seconds(message),
        "response_topic": message.reply_to,
        "correlation_data": message.correlation,
    }
    found = {name: value for name, value in found.items() if value is not None}
    return Properties(found) if found else None


def connect_properties(opening: ConnectRequest) -> Properties | None:
    """The properties of CONNECT; its limits are arguments of mqttium's client."""
    if not opening.five:
        return None
    return Properties({"session_expiry_interval": opening.session_expiry})


def will_of(opening: ConnectRequest) -> PublishMessage | None:
    """The will as mqttium takes it."""
    will = opening.will
    if will is None:
        return None
    properties = publish_properties(will) if opening.five else None
    return PublishMessage(will.topic, will.payload, will.qos, will.retain, properties)


def welcome_of(opening: ConnectRequest, connack: ConnAckPacket) -> ConnectResult:
    """CONNACK in our words; 3.1.1 has no properties."""
    told = {} if connack.properties is None else connack.properties.values
    return ConnectResult(
        version=opening.version,
        resumed=connack.session_present,
        receive_maximum=told.get("receive_maximum", 65_535),
        max_packet=told.get("maximum_packet_size"),
        max_qos=told.get("maximum_qos", 2),
        retained=bool(told.get("retain_available", 1)),
        shared=bool(told.get("shared_subscription_available", 1)),
        identifiers=bool(told.get("subscription_identifier_available", 1)),
    )


def server_keep_alive(connack: ConnAckPacket) -> int | None:
    """The keep alive in seconds that the broker demands in place of ours (spec 3.2.2.3.14)."""
    told = {} if connack.properties is None else connack.properties.values
    seconds: int | None = told.get("server_keep_alive")
    return seconds


def meta_of(properties: Properties | None) -> Meta | None:
    """What MQTT 5 says of a received message; None where it says nothing."""
    if properties is None:
        return None
    told = properties.values
    if not told:
        return None
    identifiers = told.get("subscription_identifier", ())
    if identifiers and len(told) == 1:
        return bare_meta(identifiers)
    pairs = told.get("user_property")
    return Meta(
        told.get("content_type"),
        dict(pairs) if pairs else NO_HEADERS,
        told.get("response_topic"),
        told.get("correlation_data"),
        told.get("message_expiry_interval"),
        identifiers,
    )
