"""Property tables of the packets that a client sends (MQTT 5 spec 2.2.2), each by what it may
have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from dskity.broker.packets import values
from dskity.broker.packets.values import Malformed

_PROTOCOL_ERROR = 0x82

EXPIRY, CONTENT_TYPE, REPLY_TO, CORRELATION, FORMAT = 0x02, 0x03, 0x08, 0x09, 0x01
IDENTIFIER, SESSION_EXPIRY, METHOD, DATA, PROBLEMS = 0x0B, 0x11, 0x15, 0x16, 0x17
WILL_DELAY, RESPONSES, REASON, RECEIVE_MAXIMUM, ALIASES = 0x18, 0x19, 0x1F, 0x21, 0x22
ALIAS, USER, MAX_PACKET = 0x23, 0x26, 0x27

Reader: TypeAlias = Callable[[bytes, int], tuple[Any, int]]


def strict_text(data: bytes, at: int) -> tuple[str, int]:
    """Text without NUL ([MQTT-1.5.4-2])."""
    found, at = values.text(data, at)
    if "\0" in found:
        raise Malformed("a text with the NUL character")
    return found, at


def _strict_pair(data: bytes, at: int) -> tuple[tuple[str, str], int]:
    name, at = strict_text(data, at)
    value, at = strict_text(data, at)
    return (name, value), at


_READERS: dict[int, Reader] = {
    FORMAT: values.byte,
    EXPIRY: values.four_bytes,
    CONTENT_TYPE: strict_text,
    REPLY_TO: strict_text,
    CORRELATION: values.binary,
    IDENTIFIER: values.variable_integer,
    SESSION_EXPIRY: values.four_bytes,
    METHOD: strict_text,
    DATA: values.binary,
    PROBLEMS: values.byte,
    WILL_DELAY: values.four_bytes,
    RESPONSES: values.byte,
    REASON: strict_text,
    RECEIVE_MAXIMUM: values.two_bytes,
    ALIASES: values.two_bytes,
    ALIAS: values.two_bytes,
    USER: _strict_pair,
    MAX_PACKET: values.four_bytes,
}
_FLAGS = frozenset({FORMAT, PROBLEMS, RESPONSES})
_NOT_ZERO = frozenset({IDENTIFIER, RECEIVE_MAXIMUM, MAX_PACKET})

OF_CONNECT = frozenset({
    SESSION_EXPIRY, RECEIVE_MAXIMUM, MAX_PACKET, ALIASES, RESPONSES, PROBLEMS, USER, METHOD, DATA,
})  # fmt: skip
OF_WILL = frozenset({WILL_DELAY, FORMAT, EXPIRY, CONTENT_TYPE, REPLY_TO, CORRELATION, USER})
OF_PUBLISH = frozenset({FORMAT, EXPIRY, ALIAS, REPLY_TO, CORRELATION, USER, CONTENT_TYPE})
OF_SUBSCRIBE = frozenset({IDENTIFIER, USER})
OF_UNSUBSCRIBE = frozenset({USER})
OF_ACK = frozenset({REASON, USER})
OF_DISCONNECT = frozenset({SESSION_EXPIRY, REASON, USER})


@dataclass(slots=True)
class Table:
    """What a table says: `found` by property. `passed_on` are the bytes of those that a broker
    hands on as they are (MQTT 5 spec 3.3.2.3)."""

    found: dict[int, Any] = field(default_factory=dict)
    passed_on: bytes = b""

    def number(self, kind: int, default: int) -> int:
        """The number of a property, or what holds without it."""
        return int(self.found.get(kind, default))


_PASSED_ON = OF_PUBLISH - {EXPIRY, ALIAS}


def read_table(data: bytes, at: int, allowed: frozenset[int]) -> tuple[Table, int]:
    """The table at `at`, its length before it, and where it ends; raises `Malformed`."""
    length, at = values.variable_integer(data, at)
    end = at + length
    if end > len(data):
        raise Malformed("a packet that ends in its properties")
    return parse_table(data[at:end], allowed), end


def parse_table(data: bytes, allowed: frozenset[int]) -> Table:
    """The table whose bytes are these; raises `Malformed`."""
    table, passed_on, at = Table(), [], 0
    while at < len(data):
        kind, began = data[at], at
        if kind not in allowed:
            raise Malformed(f"the property {kind:#04x}, which has no place here", _PROTOCOL_ERROR)
        value, at = _READERS[kind](data, at + 1)
        if kind in _PASSED_ON:
            passed_on.append(data[began:at])
        if kind != USER:
            _keep(table.found, kind, value)
    table.passed_on = b"".join(passed_on)
    return table


def _keep(found: dict[int, Any], kind: int, value: Any) -> None:
    if kind in found:
        raise Malformed(f"the property {kind:#04x} twice", _PROTOCOL_ERROR)
    if (kind in _FLAGS and value > 1) or (kind in _NOT_ZERO and value == 0):
        raise Malformed(f"the property {kind:#04x} with the value {value}", _PROTOCOL_ERROR)
    found[kind] = value
