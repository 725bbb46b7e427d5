"""What `client.py` tells `wire.py`."""

from __future__ import annotations

from typing import Protocol

from paho.mqtt.client import ConnectFlags, MQTTMessage
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from dskity.bus.delivery import Delivery


class Hooks(Protocol):
    """Who is told; all calls are synchronous, on the event loop."""

    def welcomed(
        self, flags: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        """CONNACK came, with success or not."""
        ...

    def received(self, delivery: Delivery, mid: int) -> None:
        """A message of QoS 0 or 1 came; `mid` is its packet identifier."""
        ...

    def released(self, message: MQTTMessage) -> None:
        """PUBREL came for a message of QoS 2."""
        ...

    def knows(self, mid: int) -> bool:
        """Whether a message of QoS 2 with this identifier has come and is not completed."""
        ...

    def answered(self, mid: int, codes: list[int]) -> None:
        """PUBACK, PUBCOMP, SUBACK or UNSUBACK came."""
        ...

    def written(self) -> None:
        """The socket has taken everything that was queued."""
        ...

    def ended(self, reason: str, code: int | None = None) -> None:
        """The connection is gone; `code` is that of the broker's DISCONNECT, if it sent one."""
        ...
