"""PUBLISH packets of QoS 0 and 1, decoded into deliveries.

paho decodes a message into objects of its own, which takes 45 µs. Here it takes 1.5 µs. Topics and
property tables come again and again, so what they mean is remembered. QoS 2 takes the library's own
way, for its messages wait for PUBREL there.
"""

from __future__ import annotations

from functools import lru_cache

from dskity.broker.packets.publish_properties import meta_of
from dskity.broker.packets.topic_names import LONG, read_name
from dskity.broker.packets.values import Malformed, variable_integer
from dskity.bus.delivery import Delivery, Meta

PUBLISH = 0x30
QOS_2 = 0x04
_QOS, _RETAIN, _DUPLICATE = 0x06, 0x01, 0x08  # of the first byte (MQTT 5 spec 3.3.1)
_TOPICS = 16_384
_TABLES = 4_096
_SHORT = 127  # a property table whose length takes one byte, as nearly all


def decode(header: int, body: bytes, *, five: bool) -> tuple[Delivery, int]:
    """The delivery, without its acknowledgement, and the packet identifier (0 for QoS 0).

    `body` is what follows the fixed header. Raises `Malformed`.
    """
    try:
        end = 2 + (body[0] << 8 | body[1])
        if end > len(body):
            raise Malformed("a PUBLISH that ends in its topic")
        topic = (_topic if end < LONG else _read_topic)(body[2:end])
        mid = 0
        if header & _QOS:
            mid = body[end] << 8 | body[end + 1]
            end += 2
            if mid == 0:
                raise Malformed("a PUBLISH with the packet identifier 0")
        meta: Meta | None = None
        if five:
            meta, end = _properties(body, end)
    except IndexError as error:
        raise Malformed("a PUBLISH that ends before its payload") from error
    delivery = Delivery(
        topic,
        body[end:],
        (header & _QOS) >> 1,
        header & _RETAIN != 0,
        header & _DUPLICATE != 0,
        meta,
    )
    return delivery, mid


def _properties(body: bytes, start: int) -> tuple[Meta | None, int]:
    length = body[start]
    start += 1
    if length == 0:
        return None, start
    if length > _SHORT:
        length, start = variable_integer(body, start - 1)
    end = start + length
    if end > len(body):
        raise Malformed("a PUBLISH that ends in its properties")
    table = body[start:end]
    return (_known(table) if length <= _SHORT else meta_of(table)), end


def _read_topic(encoded: bytes) -> str:
    """Not empty: we allow the broker no topic alias."""
    topic = read_name(encoded)
    if not topic:
        raise Malformed(f"a PUBLISH to {topic!r}")
    return topic


_topic = lru_cache(maxsize=_TOPICS)(_read_topic)

_known = lru_cache(maxsize=_TABLES)(meta_of)
