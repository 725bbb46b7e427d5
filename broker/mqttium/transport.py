"""The transport over mqttium: the fast one, an extra (`pip install 'dskity[fast]'`)."""

from __future__ import annotations

from dskity.broker.settings import ConnectionSettings
from dskity.broker.transport import MqttTransport
from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.errors import Unsupported


class MqttiumTransport(MqttTransport):
    """`Transport` by mqttium; `Unsupported` where it is not installed."""

    def __init__(self, settings: ConnectionSettings, clock: Clock = SYSTEM_CLOCK) -> None:
        try:
            from dskity.broker.mqttium.wire import MqttiumWire  # noqa: PLC0415  # an extra
        except ModuleNotFoundError as error:
            if error.name is None or error.name.split(".")[0] != "mqttium":
                raise
            raise Unsupported(
                "mqttium is not installed: pip install 'dskity[fast]', or set "
                "common.mqtt.client: aiomqtt"
            ) from error
        super().__init__(settings, MqttiumWire, clock)
