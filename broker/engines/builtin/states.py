"""Which packets a client may send in which state of its connection."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Final


class Kind(IntEnum):
    """Types of packets (MQTT 5 spec 2.1.2)."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


class State(Enum):
    """Of one connection, in this order; from each it may go to `CLOSED`."""

    NEW = "new"
    """Nothing has come yet: a stranger."""
    CHECKING = "checking"
    """Its password is being checked; nothing is read."""
    OPEN = "open"
    CLOSED = "closed"


ALLOWED: Final[dict[State, frozenset[Kind]]] = {
    State.NEW: frozenset({Kind.CONNECT}),
    State.CHECKING: frozenset(),
    State.OPEN: frozenset({
        Kind.PUBLISH, Kind.PUBACK, Kind.PUBREC, Kind.PUBREL, Kind.PUBCOMP, Kind.SUBSCRIBE,
        Kind.UNSUBSCRIBE, Kind.PINGREQ, Kind.DISCONNECT,
    }),
    State.CLOSED: frozenset(),
}  # fmt: skip
"""All else is a protocol error."""

FLAGS: Final[dict[Kind, int]] = {
    Kind.PUBREL: 0b0010,
    Kind.SUBSCRIBE: 0b0010,
    Kind.UNSUBSCRIBE: 0b0010,
}
"""The flags of the fixed header where they are not 0 ([MQTT-2.1.3-1]); PUBLISH has its own."""
