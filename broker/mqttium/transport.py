"""The transport over mqttium: the fast one, an extra (`pip install 'dskity[fast]'`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dskity.broker.settings import ConnectionSettings
from dskity.broker.transport import MqttTransport
from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.errors import Unsupported

if TYPE_CHECKING:
    from dskity.broker.mqttium.wire import MqttiumWire


def load() -> type[MqttiumWire]:
    """The wire; `Unsupported` where mqttium is not installed, `MissingPrivateName` where the
    installed version does not fit."""
    try:
        from dskity.broker.mqttium.wire import MqttiumWire  # noqa: PLC0415  # an extra
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != "mqttium":
            raise
        raise Unsupported(
            "mqttium is not installed: pip install 'dskity[fast]', or set "
            "common.mqtt.client: aiomqtt"
        ) from error
    return MqttiumWire


class MqttiumTransport(MqttTransport):
    """`Transport` by mqttium; raises as `load` does."""

    def __init__(self, settings: ConnectionSettings, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(settings, load(), clock)
