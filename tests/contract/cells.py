"""Which transport runs against which broker, and what each broker cannot promise.

A promise that a broker does not keep is either told by `Capabilities`, so that a route that needs
it can be refused at start, or it is listed in `UNTOLD`: then it shows in nothing but a loss, and
the docs must say it. `test_promises.py` compares both tables with what the transport reports.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

TransportName: TypeAlias = Literal["memory", "aiomqtt", "mqttium"]
BrokerName: TypeAlias = Literal["memory", "amqtt", "mosquitto-5", "mosquitto-3.1.1"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination; its id names the test."""

    transport: TransportName
    broker: BrokerName

    def __str__(self) -> str:
        return f"{self.transport}×{self.broker}"


CELLS = (
    Cell("memory", "memory"),
    *(
        Cell(transport, broker)
        for transport in ("aiomqtt", "mqttium")
        for broker in ("mosquitto-5", "mosquitto-3.1.1", "amqtt")
    ),
)

_NO_MQTT_5 = "MQTT 3.1.1 has no properties"

# A promise, and why the broker does not keep it. Told by `Capabilities`:
CANNOT: dict[BrokerName, dict[str, str]] = {
    "memory": {},
    "mosquitto-5": {},
    "mosquitto-3.1.1": {
        "headers": _NO_MQTT_5,
        "expiry": _NO_MQTT_5,
        "reports_no_match": "a PUBACK of 3.1.1 has no reason code",
    },
    "amqtt": {
        "headers": _NO_MQTT_5,
        "expiry": _NO_MQTT_5,
        "reports_no_match": "a PUBACK of 3.1.1 has no reason code",
        "shared": "amqtt grants $share/ and delivers nothing to it",
    },
}

# … and told by nothing on the wire:
UNTOLD: dict[BrokerName, dict[str, str]] = {
    "memory": {},
    "mosquitto-5": {},
    "mosquitto-3.1.1": {},
    "amqtt": {
        "replacing": "amqtt keeps the QoS of the first subscription to a filter",
        "no will after a goodbye": "amqtt sends the will after DISCONNECT, too",
    },
}


def reason_against(cell: Cell, promise: str) -> str | None:
    """Why this cell cannot keep a promise, or None if it can."""
    return CANNOT[cell.broker].get(promise) or UNTOLD[cell.broker].get(promise)
