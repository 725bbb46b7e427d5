"""MQTT packets in a byte stream: where each begins and ends, and what is in a PUBLISH at QoS 1."""

from __future__ import annotations

from dataclasses import dataclass

PUBLISH, PUBACK, PINGRESP = 3, 4, 13
_QOS, _QOS_1 = 0x06, 0x02


@dataclass(frozen=True, slots=True)
class Publish:
    """A PUBLISH packet at QoS 1 (MQTT 5 spec 3.3)."""

    topic: str
    mid: int
    payload: bytes


def split(stream: bytearray) -> list[bytes]:
    """Take the whole packets from the front of `stream`."""
    found: list[bytes] = []
    while (size := _size(stream)) is not None and size <= len(stream):
        found.append(bytes(stream[:size]))
        del stream[:size]
    return found


def kind(packet: bytes) -> int:
    """The packet type."""
    return packet[0] >> 4


def may_repeat(packet: bytes) -> bool:
    """Whether at-least-once delivery must bear it twice: a PUBLISH at QoS 1, or its PUBACK."""
    return kind(packet) == PUBACK or (kind(packet) == PUBLISH and packet[0] & _QOS == _QOS_1)


def publish(packet: bytes, *, five: bool) -> Publish | None:
    """What is in it; None for QoS 0 and for every other packet."""
    if kind(packet) != PUBLISH or not packet[0] & _QOS:
        return None
    _, at = _number(packet, 1)
    end = at + 2 + int.from_bytes(packet[at : at + 2], "big")
    mid = int.from_bytes(packet[end : end + 2], "big")
    body = end + 2
    if five:
        length, body = _number(packet, body)
        body += length
    return Publish(packet[at + 2 : end].decode(), mid, packet[body:])


def puback(packet: bytes) -> int | None:
    """The packet identifier that a PUBACK acknowledges; None for every other packet."""
    return int.from_bytes(packet[2:4], "big") if kind(packet) == PUBACK else None


def _number(packet: bytes, at: int) -> tuple[int, int]:
    """A variable byte integer, and where it ends (spec 1.5.5)."""
    value = 0
    for shift in range(0, 28, 7):
        value |= (packet[at] & 0x7F) << shift
        at += 1
        if not packet[at - 1] & 0x80:
            break
    return value, at


def _size(stream: bytearray) -> int | None:
    """Of the packet at the front, with its head; None while that is not there yet."""
    head = bytes(stream[:5])
    if all(byte & 0x80 for byte in head[1:]):
        return None
    length, at = _number(head, 1)
    return at + length
