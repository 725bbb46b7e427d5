"""Which client library carries the bus, and how the settings become its connection."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dskity.broker.limits import NO_LIMITS, Limits
from dskity.broker.settings import ConnectionSettings
from dskity.broker.tls import TlsSettings
from dskity.broker.transport import MqttTransport
from dskity.broker.url import Urls
from dskity.bus.base.foreign import MissingPrivateName
from dskity.bus.message import Message
from dskity.config.sections.common import MqttSettings

if TYPE_CHECKING:
    from pathlib import Path


log = logging.getLogger(__name__)

# docs/performance.md has the figures; at QoS 0 the two are equally fast.
_COSTS_MORE = "aiomqtt takes more CPU for a QoS 1 message than mqttium, which dskity[fast] installs"


@dataclass(frozen=True, slots=True)
class Client:
    """The chosen library, and what it cannot promise."""

    name: str
    make: Callable[[ConnectionSettings], MqttTransport]
    cannot: tuple[str, ...] = ()


def choose_client(wanted: str) -> Client:
    """For `common.mqtt.client`: auto takes mqttium where it can be used, else aiomqtt.

    Raises `MissingPrivateName` where the installed version of the wanted one does not fit.
    """
    if wanted == "auto":
        wanted = "mqttium" if _can_use_mqttium() else "aiomqtt"
    # Each is imported only where it is chosen: start-up pays for one library, not for two.
    if wanted == "mqttium":
        from dskity.broker.mqttium.transport import MqttiumTransport  # noqa: PLC0415

        return Client("mqttium", MqttiumTransport)
    from dskity.broker.aiomqtt.transport import AiomqttTransport  # noqa: PLC0415

    return Client("aiomqtt", AiomqttTransport, (_COSTS_MORE,))


def _can_use_mqttium() -> bool:
    """Where it is installed in a version that does not fit, the log says so."""
    if importlib.util.find_spec("mqttium") is None:
        return False
    from dskity.broker.mqttium.transport import load  # noqa: PLC0415

    try:
        load()
    except MissingPrivateName as error:
        log.warning("aiomqtt is used in place of mqttium: %s", error)
        return False
    return True


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
