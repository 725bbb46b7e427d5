"""The property table of a received PUBLISH (MQTT 5 spec 3.3.2.3), as our `Meta`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dskity.broker.packets import values
from dskity.broker.packets.values import Malformed
from dskity.bus.delivery import Meta
from dskity.bus.message import read_only

_CONTENT_TYPE, _REPLY_TO, _CORRELATION, _EXPIRY = 0x03, 0x08, 0x09, 0x02
_FORMAT, _IDENTIFIER, _USER = 0x01, 0x0B, 0x26


def meta_of(table: bytes) -> Meta:
    """What the table says, its own length not included; raises `Malformed`."""
    found: dict[int, Any] = {}
    headers: dict[str, str] = {}
    identifiers: list[int] = []
    at = 0
    while at < len(table):
        kind = table[at]
        if kind not in _READERS:  # a topic alias among them: we allow none
            raise Malformed(f"a PUBLISH with the property {kind:#04x}")
        value, at = _READERS[kind](table, at + 1)
        if kind == _USER:
            headers[value[0]] = value[1]
        elif kind == _IDENTIFIER:
            identifiers.append(value)
        else:
            found[kind] = value
    return Meta(
        found.get(_CONTENT_TYPE),
        read_only(headers),
        found.get(_REPLY_TO),
        found.get(_CORRELATION),
        found.get(_EXPIRY),
        tuple(identifiers),
    )


_READERS: dict[int, Callable[[bytes, int], tuple[Any, int]]] = {
    _FORMAT: values.byte,
    _EXPIRY: values.four_bytes,
    _CONTENT_TYPE: values.text,
    _REPLY_TO: values.text,
    _CORRELATION: values.binary,
    _IDENTIFIER: values.variable_integer,
    _USER: values.pair,
}
