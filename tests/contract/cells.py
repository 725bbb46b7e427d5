"""Which transport runs against which broker, and what each broker cannot promise.

A promise that is not kept is told by `Capabilities`, so that a route which needs it can be refused
at start: `test_promises.py` compares this table with what the transports report. All else in this
folder holds in every cell.
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

# The name of a field of `Capabilities`, and why the broker cannot promise it.
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
        "shared": "our amqtt refuses $share/: by itself it would grant it and deliver nothing",
    },
}


def reason_against(cell: Cell, promise: str) -> str | None:
    """Why this cell cannot keep a promise, or None if it can."""
    return CANNOT[cell.broker].get(promise)
