"""The topic name of a PUBLISH, as the receiver of messages and the broker both read it."""

from __future__ import annotations

from dskity.broker.packets.values import Malformed

LONG = 512
"""Bytes; longer ones are not cached: 16,384 of 64 KiB would take a GiB."""
_INVALID = 0x90


def read_name(encoded: bytes) -> str:
    """The topic name, which may be empty: with a topic alias it is. Raises `Malformed`."""
    try:
        topic = encoded.decode()
    except UnicodeDecodeError as error:
        raise Malformed("a topic that is not UTF-8") from error
    if topic and not is_name(topic):
        raise Malformed(f"a PUBLISH to {topic!r:.80}", _INVALID)
    return topic


def is_name(topic: str) -> bool:
    """Whether it is one to publish to ([MQTT-3.3.2-2], [MQTT-1.5.4-2], [MQTT-4.7.3-1])."""
    return bool(topic) and {"\0", "+", "#"}.isdisjoint(topic)
