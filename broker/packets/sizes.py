"""How many bytes a packet takes, so that one that is too large is refused before it is sent."""

from __future__ import annotations

from dskity.broker.packets.outgoing import encode
from dskity.bus.message import Message

LARGEST = 268_435_460
"""Bytes of the largest packet that MQTT can carry (spec 1.5.5); no broker has to tell it."""


def publish_size(message: Message, *, properties: bool) -> int:
    """Bytes of the whole packet; `properties` says whether it is MQTT 5's."""
    head, payload = encode(message, 0, five=properties)
    return len(head) + len(payload)


def subscribe_size(filter: str, identifier: int | None) -> int:
    """Bytes of a SUBSCRIBE of MQTT 5 with one filter."""
    properties = 1 if identifier is None else 2 + _variable(identifier)
    rest = 2 + properties + 2 + len(filter.encode()) + 1  # packet identifier, filter, options
    return 1 + _variable(rest) + rest


def _variable(value: int) -> int:
    """Bytes of a variable byte integer (spec 1.5.5), 7 bits each."""
    return max(1, (value.bit_length() + 6) // 7)
