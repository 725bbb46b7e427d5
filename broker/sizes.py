"""How many bytes a PUBLISH takes, so that one that is too large is refused before it is sent."""

from __future__ import annotations

from dskity.bus.message import Message

LARGEST = 268_435_460
"""Bytes of the largest packet that MQTT can carry (spec 1.5.5); no broker has to tell it."""
# The properties we send, MQTT 5 spec 3.3.2.3: one byte of identifier, and then
_LENGTH = 2  # the length of a string or of binary data
_EXPIRY = 1 + 4


def publish_size(message: Message, *, properties: bool) -> int:
    """Bytes of the whole packet; `properties` says whether it is MQTT 5's."""
    body = _LENGTH + len(message.topic.encode()) + len(message.payload)
    if message.qos:
        body += 2  # the packet identifier
    if properties:
        size = _properties_size(message)
        body += _varint_size(size) + size
    return 1 + _varint_size(body) + body


def _properties_size(message: Message) -> int:
    size = sum(
        1 + 2 * _LENGTH + len(name.encode()) + len(value.encode())
        for name, value in message.headers.items()
    )
    for text in (message.content_type, message.reply_to):
        if text is not None:
            size += 1 + _LENGTH + len(text.encode())
    if message.correlation is not None:
        size += 1 + _LENGTH + len(message.correlation)
    if message.expires_in is not None:
        size += _EXPIRY
    return size


def _varint_size(value: int) -> int:
    # MQTT 5 spec 1.5.5: seven bits a byte
    return max(1, (value.bit_length() + 6) // 7)
