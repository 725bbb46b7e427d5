"""How the settings become an MQTT transport: its connection, by aiomqtt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dskity.broker.limits import NO_LIMITS, Limits
from dskity.broker.settings import ConnectionSettings
from dskity.broker.tls import TlsSettings
from dskity.broker.transport import MqttTransport
from dskity.broker.url import Urls
from dskity.bus.message import Message
from dskity.config.sections.common import MqttSettings

if TYPE_CHECKING:
    from pathlib import Path


def make_transport(settings: ConnectionSettings) -> MqttTransport:
    """One that is not started."""
    # Imported only here: what runs in memory, or on none, does not pay for the library.
    from dskity.broker.aiomqtt.transport import AiomqttTransport  # noqa: PLC0415

    return AiomqttTransport(settings)


def connection(
    mqtt: MqttSettings,
    *,
    url: Urls,
    client_id: str,
    will: Message | None = None,
    clean_start: bool = False,
    limits: Limits = NO_LIMITS,
    trial: bool = True,
) -> ConnectionSettings:
    """The settings of a transport."""
    return ConnectionSettings(
        url,
        client_id,
        username=mqtt.username,
        password=mqtt.password.get_secret_value() if mqtt.password else None,
        keepalive=mqtt.keepalive,
        session_expiry_seconds=0 if clean_start else mqtt.session_expiry_seconds,
        clean_start=clean_start,
        tls=TlsSettings(
            _text(mqtt.tls.ca_file),
            _text(mqtt.tls.cert_file),
            _text(mqtt.tls.key_file),
            mqtt.tls.insecure,
        ),
        will=will,
        connect_timeout=mqtt.connect_timeout,
        max_in_flight=mqtt.max_in_flight,
        protocol=mqtt.protocol,
        limits=limits,
        trial=trial,
    )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
