"""The transport over aiomqtt."""

from __future__ import annotations

from dskity.broker.aiomqtt.wire import AiomqttWire
from dskity.broker.settings import ConnectionSettings
from dskity.broker.transport import MqttTransport
from dskity.bus.base.clock import SYSTEM_CLOCK, Clock


class AiomqttTransport(MqttTransport):
    """`Transport` by aiomqtt 2."""

    def __init__(self, settings: ConnectionSettings, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(settings, AiomqttWire, clock)
