"""What a broker answers, encoded: CONNACK, acknowledgements, SUBACK, UNSUBACK, DISCONNECT."""

from __future__ import annotations

from collections.abc import Sequence

from dskity.broker.packets.outgoing import variable_integer

PUBACK, PUBREC, PUBREL, PUBCOMP = 0x40, 0x50, 0x62, 0x70
PINGRESP = b"\xd0\x00"
_CONNACK, _SUBACK, _UNSUBACK, _DISCONNECT = 0x20, 0x90, 0xB0, 0xE0
# The return code of 3.1.1 that says what a reason code says (table 3.1); 3, unavailable, else.
_RETURN_CODES = {0: 0, 0x84: 1, 0x85: 2, 0x86: 4, 0x87: 5, 0x8C: 5}
_UNAVAILABLE = 3
_FAILURE_OF_3 = 0x80


def connack(code: int, *, five: bool, resumed: bool = False, table: bytes = b"") -> bytes:
    """`table` are its properties, without their length; 3.1.1 has none."""
    if not five:
        return bytes((_CONNACK, 2, resumed, _RETURN_CODES.get(code, _UNAVAILABLE)))
    return _packet(_CONNACK, bytes((resumed, code)) + variable_integer(len(table)) + table)


def acknowledgement(kind: int, mid: int, code: int = 0, *, five: bool) -> bytes:
    """PUBACK, PUBREC, PUBREL or PUBCOMP."""
    if not five or code == 0:
        return bytes((kind, 2, mid >> 8, mid & 0xFF))
    return bytes((kind, 3, mid >> 8, mid & 0xFF, code))


def suback(mid: int, codes: Sequence[int], *, five: bool) -> bytes:
    """One code for each filter: the granted QoS, or why not."""
    if not five:
        codes = [min(code, _FAILURE_OF_3) for code in codes]
    return _packet(_SUBACK, mid.to_bytes(2, "big") + (b"\0" if five else b"") + bytes(codes))


def unsuback(mid: int, codes: Sequence[int], *, five: bool) -> bytes:
    """3.1.1 has no codes."""
    return _packet(_UNSUBACK, mid.to_bytes(2, "big") + (b"\0" + bytes(codes) if five else b""))


def disconnect(code: int) -> bytes:
    """MQTT 5 alone: in 3.1.1 a broker has no words for it."""
    return bytes((_DISCONNECT, 1, code))


def _packet(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + variable_integer(len(body)) + body
