"""MQTT packets in a byte stream: where each begins and ends (MQTT 5 spec 2.1)."""

from __future__ import annotations

PUBLISH, PUBACK, PINGRESP = 3, 4, 13
_QOS = 0x06


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


def acknowledged(packet: bytes) -> bool:
    """Whether it is a PUBLISH that wants a PUBACK, or one of these."""
    return kind(packet) == PUBACK or (kind(packet) == PUBLISH and bool(packet[0] & _QOS))


def publish_3(packet: bytes) -> tuple[str, bytes, bytes]:
    """Topic, packet identifier and payload of a PUBLISH of 3.1.1 at QoS 1."""
    at = 2
    while packet[at - 1] & 0x80:
        at += 1
    end = at + 2 + int.from_bytes(packet[at : at + 2], "big")
    return packet[at + 2 : end].decode(), packet[end : end + 2], packet[end + 2 :]


def _size(stream: bytearray) -> int | None:
    """Of the packet at the front, with its head; None while that is not there yet."""
    rest = 0
    for index in range(1, min(len(stream), 5)):
        rest |= (stream[index] & 0x7F) << 7 * (index - 1)
        if not stream[index] & 0x80:
            return index + 1 + rest
    return None
