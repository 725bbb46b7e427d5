"""Which transport runs against which broker, and what each broker cannot promise.

A promise that is not kept is told by `Capabilities`, so that a route which needs it can be refused
at start: `test_promises.py` compares `CANNOT` with what the transports report. `UNTOLD` has what no
capability tells: the engine's sentences do, and `dskity doctor`. All else in this folder holds in
every cell. amqtt has none: `tests/engines/test_amqtt.py` and `tests/runtime/test_whole.py` run it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

TransportName: TypeAlias = Literal["memory", "aiomqtt"]
BrokerName: TypeAlias = Literal[
    "memory",
    "builtin-5",
    "builtin-3.1.1",
    "amqtt",
    "mosquitto-5",
    "mosquitto-3.1.1",
    "rumqttd",
]


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
        Cell("aiomqtt", broker)
        for broker in (
            "mosquitto-5",
            "mosquitto-3.1.1",
            "builtin-5",
            "builtin-3.1.1",
            "rumqttd",
        )
    ),
)

_NO_MQTT_5 = "MQTT 3.1.1 has no properties"

_OLD = {
    "headers": _NO_MQTT_5,
    "expiry": _NO_MQTT_5,
    "reports_no_match": "a PUBACK of 3.1.1 has no reason code",
}

# The name of a field of `Capabilities`, and why the broker cannot promise it.
CANNOT: dict[BrokerName, dict[str, str]] = {
    "memory": {},
    "mosquitto-5": {},
    "mosquitto-3.1.1": _OLD,
    "builtin-5": {},
    "builtin-3.1.1": _OLD,
    "rumqttd": {"reports_no_match": "it acknowledges all the same, which a trial tells"},
}

# What a broker does otherwise than its CONNACK lets expect.
UNTOLD: dict[BrokerName, dict[str, str]] = {
    "mosquitto-3.1.1": {
        "opens_window": "its default is 20 unacknowledged messages, which MQTT 5 alone can raise",
    },
    "rumqttd": {
        "marks_duplicates": "it sends again without DUP, and QoS 2 late or wrongly",
        "lowers_qos": "it delivers with the QoS of the subscription, also what had less",
        "replaces_subscriptions": "a second SUBSCRIBE to a filter leaves the first in place",
        "shares_filters": "a group has one filter: the next is refused where the engine is known",
        "retains_as_published": "it knows no Retain As Published: what is live has no flag",
        "unsubscribes_resumed": "in a resumed session it leaves UNSUBSCRIBE unanswered",
    },
}


def reason_against(cell: Cell, promise: str) -> str | None:
    """Why this cell cannot keep a promise, or None if it can."""
    return (CANNOT[cell.broker] | UNTOLD.get(cell.broker, {})).get(promise)
