"""SUBSCRIBE, UNSUBSCRIBE, acknowledgements and DISCONNECT, as a broker reads them."""

from __future__ import annotations

from dataclasses import dataclass

from dskity.broker.packets import properties, values
from dskity.broker.packets.properties import read_table, strict_text
from dskity.broker.packets.values import Malformed

_QOS, _NO_LOCAL, _AS_PUBLISHED, _HANDLING, _RESERVED = 0x03, 0x04, 0x08, 0x30, 0xC0
_HIGHEST_QOS = _HIGHEST_HANDLING = 2
_PROTOCOL_ERROR = 0x82
_IDENTIFIER_BYTES = 2


@dataclass(frozen=True, slots=True)
class Wanted:
    """One filter of a SUBSCRIBE. `handling` is its Retain Handling: 0 sends what is retained, 1
    only where the subscription is new, 2 never."""

    filter: str
    qos: int
    no_local: bool = False
    as_published: bool = False
    handling: int = 0


def read_subscribe(body: bytes, *, five: bool) -> tuple[int, int, list[Wanted]]:
    """Packet identifier, subscription identifier (0: none), and what is wanted."""
    mid, at = _identifier(body)
    identifier = 0
    if five:
        table, at = read_table(body, at, properties.OF_SUBSCRIBE)
        identifier = table.number(properties.IDENTIFIER, 0)
    wanted = []
    while at < len(body):
        filter, at = _filter(body, at)
        options, at = values.byte(body, at)
        wanted.append(_wanted(filter, options, five=five))
    if not wanted:
        raise Malformed("a SUBSCRIBE without a filter", _PROTOCOL_ERROR)
    return mid, identifier, wanted


def _filter(body: bytes, at: int) -> tuple[str, int]:
    """[MQTT-4.7.3-1]."""
    filter, at = strict_text(body, at)
    if not filter:
        raise Malformed("an empty filter")
    return filter, at


def _wanted(filter: str, options: int, *, five: bool) -> Wanted:
    qos, handling = options & _QOS, (options & _HANDLING) >> 4
    reserved = options & (_RESERVED if five else 0xFF & ~_QOS)
    if qos > _HIGHEST_QOS or handling > _HIGHEST_HANDLING or reserved:
        raise Malformed(f"a subscription with the options {options:#04x}")
    return Wanted(filter, qos, options & _NO_LOCAL != 0, options & _AS_PUBLISHED != 0, handling)


def read_unsubscribe(body: bytes, *, five: bool) -> tuple[int, list[str]]:
    """Packet identifier and filters."""
    mid, at = _identifier(body)
    if five:
        _, at = read_table(body, at, properties.OF_UNSUBSCRIBE)
    filters = []
    while at < len(body):
        filter, at = _filter(body, at)
        filters.append(filter)
    if not filters:
        raise Malformed("an UNSUBSCRIBE without a filter", _PROTOCOL_ERROR)
    return mid, filters


def read_ack(body: bytes, *, five: bool) -> tuple[int, int]:
    """Packet identifier and reason code of PUBACK, PUBREC, PUBREL or PUBCOMP."""
    mid, at = _identifier(body)
    if not five or at == len(body):
        return mid, 0
    code, at = values.byte(body, at)
    if at < len(body):
        read_table(body, at, properties.OF_ACK)
    return mid, code


def read_disconnect(body: bytes, *, five: bool) -> tuple[int, int | None]:
    """Reason code, and the session expiry in seconds where it gives a new one."""
    if not five or not body:
        return 0, None
    code, at = values.byte(body, 0)
    if at == len(body):
        return code, None
    table, _ = read_table(body, at, properties.OF_DISCONNECT)
    return code, table.found.get(properties.SESSION_EXPIRY)


def _identifier(body: bytes) -> tuple[int, int]:
    """[MQTT-2.2.1-3]."""
    mid, _ = values.two_bytes(body, 0)
    if mid == 0:
        raise Malformed("the packet identifier 0", _PROTOCOL_ERROR)
    return mid, _IDENTIFIER_BYTES
