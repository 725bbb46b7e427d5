"""Values in packets (MQTT 5 spec 1.5), read at a place of the bytes; each returns where it ends."""

from __future__ import annotations

_LAST_SHIFT = 21  # of four bytes with seven bits each
_MORE = 0x80


class Malformed(Exception):
    """A packet that breaks MQTT's rules: the connection cannot go on. `code` is the reason code
    that says so, 0x81 (malformed packet) where no other fits better."""

    def __init__(self, text: str, code: int = 0x81) -> None:
        super().__init__(text)
        self.code = code


def variable_integer(data: bytes, at: int) -> tuple[int, int]:
    """A variable byte integer (spec 1.5.5)."""
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


def octets(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    """So many bytes."""
    end = at + size
    if end > len(data):
        raise Malformed("a value that ends early")
    return data[at:end], end


def byte(data: bytes, at: int) -> tuple[int, int]:
    """One byte."""
    found, at = octets(data, at, 1)
    return found[0], at


def two_bytes(data: bytes, at: int) -> tuple[int, int]:
    """A number of two bytes."""
    found, at = octets(data, at, 2)
    return int.from_bytes(found, "big"), at


def four_bytes(data: bytes, at: int) -> tuple[int, int]:
    """A number of four bytes."""
    found, at = octets(data, at, 4)
    return int.from_bytes(found, "big"), at


def binary(data: bytes, at: int) -> tuple[bytes, int]:
    """Bytes with their number before them."""
    size, at = two_bytes(data, at)
    return octets(data, at, size)


def text(data: bytes, at: int) -> tuple[str, int]:
    """UTF-8 ([MQTT-1.5.4-1])."""
    found, at = binary(data, at)
    try:
        return found.decode(), at
    except UnicodeDecodeError as error:
        raise Malformed("a text that is not UTF-8") from error


def pair(data: bytes, at: int) -> tuple[tuple[str, str], int]:
    """Two texts."""
    name, at = text(data, at)
    value, at = text(data, at)
    return (name, value), at
