"""The property table of a received PUBLISH (MQTT 5 spec 3.3.2.3), as our `Meta`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dskity.bus.delivery import Meta
from dskity.bus.message import NO_HEADERS

_CONTENT_TYPE, _REPLY_TO, _CORRELATION, _EXPIRY = 0x03, 0x08, 0x09, 0x02
_FORMAT, _IDENTIFIER, _USER = 0x01, 0x0B, 0x26
_LAST_SHIFT = 21  # of four bytes with seven bits each
_MORE = 0x80


class Malformed(Exception):
    """A packet that breaks MQTT's rules: the connection cannot go on."""


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
        headers or NO_HEADERS,
        found.get(_REPLY_TO),
        found.get(_CORRELATION),
        found.get(_EXPIRY),
        tuple(identifiers),
    )


def variable_integer(data: bytes, at: int) -> tuple[int, int]:
    """A variable byte integer (spec 1.5.5), and where it ends."""
    value = 0
    for shift in range(0, _LAST_SHIFT + 1, 7):
        if at >= len(data):
            raise Malformed("a packet that ends in a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < _MORE:
            return value, at
    raise Malformed("a number of more than four bytes")


def _bytes(table: bytes, at: int, size: int) -> tuple[bytes, int]:
    end = at + size
    if end > len(table):
        raise Malformed("a property that ends early")
    return table[at:end], end


def _byte(table: bytes, at: int) -> tuple[int, int]:
    data, at = _bytes(table, at, 1)
    return data[0], at


def _four_bytes(table: bytes, at: int) -> tuple[int, int]:
    data, at = _bytes(table, at, 4)
    return int.from_bytes(data, "big"), at


def _binary(table: bytes, at: int) -> tuple[bytes, int]:
    size, at = _bytes(table, at, 2)
    return _bytes(table, at, int.from_bytes(size, "big"))


def _text(table: bytes, at: int) -> tuple[str, int]:
    data, at = _binary(table, at)
    try:
        return data.decode(), at
    except UnicodeDecodeError as error:
        raise Malformed("a property that is not UTF-8") from error


def _pair(table: bytes, at: int) -> tuple[tuple[str, str], int]:
    name, at = _text(table, at)
    value, at = _text(table, at)
    return (name, value), at


_READERS: dict[int, Callable[[bytes, int], tuple[Any, int]]] = {
    _FORMAT: _byte,
    _EXPIRY: _four_bytes,
    _CONTENT_TYPE: _text,
    _REPLY_TO: _text,
    _CORRELATION: _binary,
    _IDENTIFIER: variable_integer,
    _USER: _pair,
}
