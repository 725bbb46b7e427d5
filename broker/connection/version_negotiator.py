"""Which protocol version the next attempt to connect speaks: MQTT 5, and 3.1.1 where it must."""

from __future__ import annotations

from dskity.broker.reasons import UNSUPPORTED_VERSION
from dskity.broker.settings import ProtocolChoice
from dskity.broker.wire import MQTT_5, MQTT_311, Silent, Version
from dskity.bus.errors import BrokerRefused

_FIXED: dict[ProtocolChoice, Version] = {"5": MQTT_5, "3.1.1": MQTT_311}


class VersionNegotiator:
    """Remembers what the broker accepted.

    A broker without MQTT 5 should say so (CONNACK 132). Some close the connection instead, and
    amqtt, which reads a CONNECT of MQTT 5 as one of 3.1.1, waits for the rest of it: so silence
    counts as a no, too, but only while neither version has been accepted. Later it means trouble.
    """

    def __init__(self, choice: ProtocolChoice) -> None:
        self.version: Version = _FIXED.get(choice, MQTT_5)
        self._open = choice == "auto"

    def accepted(self) -> None:
        """This version it is, from now on."""
        self._open = False

    def refused(self, error: Exception) -> bool:
        """An attempt failed; whether to try at once with the other version."""
        if not self._open:
            return False
        if isinstance(error, BrokerRefused) and error.reason_code == UNSUPPORTED_VERSION:
            other = self.version == MQTT_5
            self.version = MQTT_311
            return other
        if isinstance(error, Silent):
            self.version = MQTT_311 if self.version == MQTT_5 else MQTT_5
            return self.version == MQTT_311
        return False
