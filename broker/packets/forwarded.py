"""A PUBLISH on its way through a broker: read from one client, written to others.

What the broker hands on as it is (payload, user properties, response topic and so on) is never made
into objects: it is checked, and its bytes go out again. Topics and property tables come again and
again, so what they mean is remembered.
"""

from __future__ import annotations

import math
from functools import lru_cache

from dskity.broker.packets import properties
from dskity.broker.packets.outgoing import variable_integer
from dskity.broker.packets.properties import Table, parse_table, read_table
from dskity.broker.packets.topic_names import LONG, is_name, read_name
from dskity.broker.packets.values import Malformed

_PUBLISH, _QOS, _DUPLICATE, _RETAIN = 0x30, 0x06, 0x08, 0x01
_TOPICS, _TABLES = 4_096, 1_024
_SHORT = 127  # a property table whose length takes one byte, as nearly all
_SMALL = 4_096  # bytes of a payload that may be in memory twice
_OBJECTS = 300  # bytes that the objects of a message take beside its own
MOST_LEVELS = 200
"""Levels of a topic or filter: each costs the router a step."""
_PROTOCOL_ERROR, _ALIAS_INVALID = 0x82, 0x94


class Forwarded:
    """One message. `properties` are the bytes that go on unchanged, `alias` the sender's topic
    alias (0: none). Mutable and with slots, because one is made for every message."""

    __slots__ = (
        "alias", "expires_in", "payload", "plain_4", "plain_5", "properties", "qos", "retain",
        "topic",
    )  # fmt: skip

    def __init__(
        self,
        topic: str,
        payload: bytes,
        qos: int = 0,
        retain: bool = False,
        properties: bytes = b"",
        expires_in: float | None = None,
        alias: int = 0,
    ) -> None:
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.retain = retain
        self.properties = properties
        self.expires_in = expires_in
        self.alias = alias
        self.plain_4: bytes | None = None
        self.plain_5: bytes | None = None


def measure(message: Forwarded) -> int:
    """About how many bytes it takes in memory."""
    return len(message.payload) + len(message.topic) + len(message.properties) + _OBJECTS


def may_publish(topic: str) -> bool:
    """Not to `$…`, which is the broker's own ([MQTT-4.7.2-1]), nor to a topic of endless levels."""
    return topic[0] != "$" and topic.count("/") < MOST_LEVELS


def read(header: int, body: bytes, *, five: bool) -> tuple[Forwarded, int]:
    """The message, and its packet identifier (0 for QoS 0); raises `Malformed`.

    With a topic alias the topic may be empty: whoever keeps the aliases fills it in.
    """
    qos = (header & _QOS) >> 1
    if qos == 3:  # noqa: PLR2004  # both bits ([MQTT-3.3.1-4])
        raise Malformed("a PUBLISH of QoS 3")
    if header & _DUPLICATE and not qos:
        raise Malformed("a PUBLISH of QoS 0 that is marked as duplicate")
    try:
        end = 2 + (body[0] << 8 | body[1])
        topic = (_topic if end < LONG else read_name)(body[2:end])
        mid = 0
        if qos:
            mid = body[end] << 8 | body[end + 1]
            end += 2
            if mid == 0:
                raise Malformed("a PUBLISH with the packet identifier 0", _PROTOCOL_ERROR)
        if end > len(body):
            raise Malformed("a PUBLISH that ends in its topic")
        if not five:
            return Forwarded(_some(topic), body[end:], qos, header & _RETAIN != 0), mid
        table, end = _table(body, end)
    except IndexError as error:
        raise Malformed("a PUBLISH that ends before its payload") from error
    return _with_properties(header, topic, body[end:], table), mid


def _with_properties(header: int, topic: str, payload: bytes, table: Table) -> Forwarded:
    qos, retain = (header & _QOS) >> 1, header & _RETAIN != 0
    if not table.found and not table.passed_on:
        return Forwarded(_some(topic), payload, qos, retain)
    found = table.found
    alias = found.get(properties.ALIAS, 0)
    if properties.ALIAS in found and not alias:
        raise Malformed("a PUBLISH with the topic alias 0", _ALIAS_INVALID)
    if not alias:
        _some(topic)
    expires_in = found.get(properties.EXPIRY)
    return Forwarded(topic, payload, qos, retain, table.passed_on, expires_in, alias)


def _some(topic: str) -> str:
    if not topic:
        raise Malformed("a PUBLISH without a topic", _PROTOCOL_ERROR)
    return topic


def _table(body: bytes, at: int) -> tuple[Table, int]:
    length = body[at]
    end = at + 1 + length
    if length == 0:
        return _NO_TABLE, end
    if length <= _SHORT and end <= len(body):
        return _known(body[at + 1 : end]), end
    table, end = read_table(body, at, properties.OF_PUBLISH)
    return _checked(table), end


def _checked(table: Table) -> Table:
    reply_to = table.found.get(properties.REPLY_TO)
    if reply_to is not None and not is_name(reply_to):
        raise Malformed(f"a PUBLISH with the response topic {reply_to!r:.80}", _PROTOCOL_ERROR)
    return table


_NO_TABLE = Table()
_topic = lru_cache(maxsize=_TOPICS)(read_name)
_known = lru_cache(maxsize=_TABLES)(lambda data: _checked(parse_table(data, properties.OF_PUBLISH)))


def write(
    message: Forwarded,
    qos: int,
    mid: int,
    *,
    five: bool,
    retain: bool = False,
    duplicate: bool = False,
    identifiers: tuple[int, ...] = (),
    remaining: float | None = None,
) -> bytes:
    """The packet; `identifiers` are those of the subscriptions, `remaining` what is left of the
    time after which it expires, in seconds."""
    if not (qos or retain or identifiers or remaining is not None):
        return _plain(message, five=five)
    head = _head(message)
    if qos:
        head += mid.to_bytes(2, "big")
    if five:
        table = message.properties
        if remaining is not None:
            table += b"\x02" + max(1, math.ceil(remaining)).to_bytes(4, "big")
        for identifier in identifiers:
            table += b"\x0b" + variable_integer(identifier)
        head += variable_integer(len(table)) + table
    first = _PUBLISH | qos << 1 | (retain and _RETAIN) | (duplicate and _DUPLICATE)
    size = len(head) + len(message.payload)
    return b"".join((bytes((first,)), variable_integer(size), head, message.payload))


def _plain(message: Forwarded, *, five: bool) -> bytes:
    """As it goes to all who have it with QoS 0; made once, unless it is large."""
    made = message.plain_5 if five else message.plain_4
    if made is None:
        head = _head(message)
        if five:
            head += variable_integer(len(message.properties)) + message.properties
        size = variable_integer(len(head) + len(message.payload))
        made = b"".join((b"\x30", size, head, message.payload))
        if len(message.payload) > _SMALL:
            return made
        if five:
            message.plain_5 = made
        else:
            message.plain_4 = made
    return made


def _head(message: Forwarded) -> bytes:
    topic = message.topic.encode()
    return len(topic).to_bytes(2, "big") + topic
