"""MQTT 5 property tables that mqttium need not decode again.

We subscribe with identifiers, so every message has a property table, and nearly all have one that
came before: decoding it again costs 5 µs of 13 a message. mqttium shares one immutable value for
the empty table; this does so for the others.
"""

from __future__ import annotations

from functools import lru_cache

from mqttium.codec.properties import PUBLISH
from mqttium.packets import _publish
from mqttium.types import Properties

TABLES = 1_024
# One byte of length, as most have it; longer ones hold ids and times, and seldom come twice.
LONGEST = 127


def cache_property_tables() -> None:
    """Put the cache in; once for the process, and without effect but on time."""
    decode = getattr(_publish, "decode_properties", None)
    if decode is None or hasattr(decode, "tables"):
        return

    @lru_cache(maxsize=TABLES)
    def tables(table: bytes) -> Properties:
        properties: Properties = decode(table, 0, PUBLISH)[0]
        return properties

    def remember(buf: bytes | bytearray, offset: int, packet: str) -> tuple[Properties, int]:
        if packet == PUBLISH and offset < len(buf):
            length = buf[offset]
            end = offset + 1 + length
            if length <= LONGEST and end <= len(buf):
                return tables(bytes(buf[offset:end])), end
        decoded: tuple[Properties, int] = decode(buf, offset, packet)
        return decoded

    remember.tables = tables  # type: ignore[attr-defined]  # marks it as put in
    _publish.decode_properties = remember  # type: ignore[attr-defined]  # it imported it
