"""aiomqtt's client for one connection, made from what CONNECT says."""

from __future__ import annotations

import math

import aiomqtt
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY

from dskity.broker.aiomqtt.fields import connect_properties, will_of
from dskity.broker.wire import ConnectRequest


def make_client(opening: ConnectRequest) -> aiomqtt.Client:
    """One that is not connected."""
    settings, address = opening.settings, opening.settings.address
    five = opening.five
    return aiomqtt.Client(
        address.host,
        address.port,
        username=settings.user,
        password=settings.secret,
        identifier=opening.client_id,
        protocol=aiomqtt.ProtocolVersion(opening.version),
        will=will_of(opening),
        clean_session=None if five else opening.clean_start,
        clean_start=opening.clean_start if five else MQTT_CLEAN_START_FIRST_ONLY,
        properties=connect_properties(opening) if five else None,
        transport="websockets" if address.websocket else "tcp",
        websocket_path=address.path or None,
        timeout=math.inf,  # its wait_for may swallow a cancellation (Python < 3.12)
        keepalive=settings.keepalive,
        tls_context=opening.tls,
        tls_insecure=True if opening.tls and settings.tls.insecure else None,
        max_inflight_messages=0,  # no limit: the wire keeps to the broker's receive maximum
    )
