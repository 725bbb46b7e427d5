"""Our fields as paho's MQTT 5 properties (aiomqtt is paho underneath), and back."""

from __future__ import annotations

from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from dskity.broker.settings import MAX_INCOMING_PACKET
from dskity.broker.wire import OUR_RECEIVE_MAXIMUM, ConnectRequest, ConnectResult, expiry_seconds
from dskity.bus.delivery import Meta, bare_meta
from dskity.bus.message import NO_HEADERS, Message


def publish_properties(message: Message, kind: int = PacketTypes.PUBLISH) -> Properties | None:
    """The properties of a message, or of a will; None where it has none."""
    found: dict[str, Any] = {
        "ContentType": message.content_type,
        "UserProperty": list(message.headers.items()) or None,
        "MessageExpiryInterval": expiry_seconds(message),
        "ResponseTopic": message.reply_to,
        "CorrelationData": message.correlation,
    }
    found = {name: value for name, value in found.items() if value is not None}
    return _properties(kind, **found) if found else None


def will_of(opening: ConnectRequest) -> aiomqtt.Will | None:
    """The will as aiomqtt takes it."""
    will = opening.will
    if will is None:
        return None
    properties = publish_properties(will, PacketTypes.WILLMESSAGE) if opening.five else None
    return aiomqtt.Will(will.topic, will.payload, will.qos, will.retain, properties)


def connect_properties(opening: ConnectRequest) -> Properties:
    """The properties of CONNECT."""
    return _properties(
        PacketTypes.CONNECT,
        SessionExpiryInterval=opening.session_expiry,
        ReceiveMaximum=OUR_RECEIVE_MAXIMUM,
        MaximumPacketSize=MAX_INCOMING_PACKET,
    )


def subscribe_properties(identifier: int) -> Properties:
    """The properties of SUBSCRIBE."""
    return _properties(PacketTypes.SUBSCRIBE, SubscriptionIdentifier=identifier)


def _properties(kind: int, **values: Any) -> Properties:
    properties = Properties(kind)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


def welcome_of(
    opening: ConnectRequest, resumed: bool, properties: Properties | None
) -> ConnectResult:
    """CONNACK in our words; 3.1.1 has no properties."""
    if properties is None or not opening.five:
        return ConnectResult(version=opening.version, resumed=resumed)
    told = vars(properties)
    return ConnectResult(
        version=opening.version,
        resumed=resumed,
        receive_maximum=told.get("ReceiveMaximum", 65_535),
        max_packet=told.get("MaximumPacketSize"),
        max_qos=told.get("MaximumQoS", 2),
        retained=bool(told.get("RetainAvailable", 1)),
        shared=bool(told.get("SharedSubscriptionAvailable", 1)),
        identifiers=bool(told.get("SubscriptionIdentifierAvailable", 1)),
    )


# An instance of Properties begins with these attributes of its own; what was received comes after.
_OWN = len(vars(Properties(PacketTypes.PUBLISH)))  # type: ignore[no-untyped-call]


def meta_of(properties: Properties | None) -> Meta | None:
    """What MQTT 5 says of a received message; None where it says nothing."""
    if properties is None:
        return None
    told = vars(properties)
    if len(told) == _OWN:
        return None
    identifiers = tuple(told.get("SubscriptionIdentifier", ()))
    if len(told) == _OWN + 1 and identifiers:
        return bare_meta(identifiers)
    pairs = told.get("UserProperty")
    return Meta(
        told.get("ContentType"),
        dict(pairs) if pairs else NO_HEADERS,
        told.get("ResponseTopic"),
        told.get("CorrelationData"),
        told.get("MessageExpiryInterval"),
        identifiers,
    )
