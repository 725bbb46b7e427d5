"""Which protocol version the next attempt to connect speaks: MQTT 5, and 3.1.1 where it must."""

from __future__ import annotations

from dskity.broker.reasons import UNSUPPORTED_VERSION
from dskity.broker.settings import ProtocolChoice
from dskity.broker.wire import Silent, Version
from dskity.bus.errors import BrokerRefused

_FIXED: dict[ProtocolChoice, Version] = {"5": 5, "3.1.1": 4}


class VersionNegotiator:
    """Remembers what the broker accepted.

    A broker without MQTT 5 should say so (CONNACK 132). Some close the connection instead, and
    amqtt, which reads a CONNECT of MQTT 5 as one of 3.1.1, waits for the rest of it: so silence
    counts as a no, too, but only while neither version has been accepted. Later it means trouble.
    """

    def __init__(self, choice: ProtocolChoice) -> None:
        self.version: Version = _FIXED.get(choice, 5)
        self._open = choice == "auto"

    def accepted(self) -> None:
        """This version it is, from now on."""
        self._open = False

    def refused(self, error: Exception) -> bool:
        """An attempt failed; whether to try at once with the other version."""
        if not self._open:
            return False
        if isinstance(error, BrokerRefused) and error.reason_code == UNSUPPORTED_VERSION:
            other = self.version == 5  # noqa: PLR2004  # MQTT 5
            self.version = 4
            return other
        if isinstance(error, Silent):
            self.version = 4 if self.version == 5 else 5  # noqa: PLR2004
            return self.version == 4  # noqa: PLR2004
        return False
