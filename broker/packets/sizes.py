"""How many bytes a PUBLISH takes, so that one that is too large is refused before it is sent."""

from __future__ import annotations

from dskity.broker.packets.outgoing import encode
from dskity.bus.message import Message

LARGEST = 268_435_460
"""Bytes of the largest packet that MQTT can carry (spec 1.5.5); no broker has to tell it."""


def publish_size(message: Message, *, properties: bool) -> int:
    """Bytes of the whole packet; `properties` says whether it is MQTT 5's."""
    head, payload = encode(message, 0, five=properties)
    return len(head) + len(payload)
