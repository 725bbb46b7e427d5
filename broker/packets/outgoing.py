"""PUBLISH packets (MQTT 5 spec 3.3, 3.1.1 the same without properties) as they leave, encoded.

paho makes objects of a message's properties, checks each again, and keeps a QoS 1 exchange that is
kept by us too, which takes 40 µs. The bus has checked every field.
"""

from __future__ import annotations

from dskity.broker.wire import expiry_seconds
from dskity.bus.message import Message

_PUBLISH = 0x30
_RETAIN = 0x01
_EXPIRY, _CONTENT_TYPE, _REPLY_TO, _CORRELATION, _USER = b"\x02", b"\x03", b"\x08", b"\x09", b"\x26"
_SHORT = 127  # a length that takes one byte


def encode(message: Message, mid: int, *, five: bool) -> tuple[bytes, bytes]:
    """The packet in two parts, all before the payload and the payload; `mid` is left out at QoS
    0."""
    head = _sized(message.topic.encode())
    if message.qos:
        head += mid.to_bytes(2, "big")
    if five:
        table = _properties(message)
        head += variable_integer(len(table)) + table
    first = _PUBLISH | message.qos << 1 | (_RETAIN if message.retain else 0)
    size = variable_integer(len(head) + len(message.payload))
    return bytes((first,)) + size + head, message.payload


def variable_integer(value: int) -> bytes:
    """A variable byte integer (spec 1.5.5)."""
    if value <= _SHORT:
        return bytes((value,))
    found = bytearray()
    while value > _SHORT:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _properties(message: Message) -> bytes:
    found: list[bytes] = []
    if message.content_type is not None:
        found += (_CONTENT_TYPE, _sized(message.content_type.encode()))
    for name, value in message.headers.items():
        found += (_USER, _sized(name.encode()), _sized(value.encode()))
    if (expiry := expiry_seconds(message)) is not None:
        found += (_EXPIRY, expiry.to_bytes(4, "big"))
    if message.reply_to is not None:
        found += (_REPLY_TO, _sized(message.reply_to.encode()))
    if message.correlation is not None:
        found += (_CORRELATION, _sized(message.correlation))
    return b"".join(found)


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data
