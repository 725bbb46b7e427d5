"""The few MQTT 3.1.1 packets that a publisher needs, as bytes."""

from __future__ import annotations

DISCONNECT = b"\xe0\x00"
PUBACK = 0x40
PUBACK_BYTES = 4
CONNACK_BYTES = 4


def connect(client_id: str) -> bytes:
    """CONNECT with a clean session and no keep alive."""
    return _packet(0x10, _text("MQTT") + b"\x04\x02\x00\x00" + _text(client_id))


def publish(topic: str, payload: bytes, packet_id: int | None = None) -> bytes:
    """PUBLISH at QoS 1 with a packet identifier, else at QoS 0."""
    if packet_id is None:
        return _packet(0x30, _text(topic) + payload)
    return _packet(0x32, _text(topic) + packet_id.to_bytes(2, "big") + payload)


def subscribe(filter: str, qos: int) -> bytes:
    """SUBSCRIBE to one filter."""
    return _packet(0x82, b"\x00\x01" + _text(filter) + bytes((qos,)))


def _packet(kind: int, rest: bytes) -> bytes:
    length, size = bytearray(), len(rest)
    while True:
        size, digit = divmod(size, 128)
        length.append(digit | 0x80 if size else digit)
        if not size:
            return bytes((kind, *length)) + rest


def _text(text: str) -> bytes:
    return len(text.encode()).to_bytes(2, "big") + text.encode()
