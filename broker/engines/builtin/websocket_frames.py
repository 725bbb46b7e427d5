"""WebSocket without I/O, as a server needs it for MQTT (RFC 6455): handshake and frames."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha1

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_BYTES = 16
_CONTINUATION, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x2, 0x8, 0x9, 0xA
_MASKED, _FINAL, _RESERVED, _OPCODE = 0x80, 0x80, 0x70, 0x0F
_SIZE_2, _SIZE_8 = 126, 127  # what stands for a length of two or eight bytes
_LONGEST_CONTROL = 125
_LONGEST_HEADER = 14


class BadWebSocket(Exception):
    """What came breaks the rules. `status` is that of the answer to a handshake."""

    def __init__(self, text: str, status: str = "400 Bad Request") -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Handshake:
    """The head of a request, with the names of its headers in lower case."""

    headers: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def parse(cls, head: bytes) -> Handshake:
        """Raises `BadWebSocket` unless it asks for MQTT over WebSocket (MQTT 5 spec 6)."""
        request, *lines = head.decode("latin-1").split("\r\n")
        parts = request.split(" ")
        if len(parts) != 3 or parts[0] != "GET" or parts[2] != "HTTP/1.1":  # noqa: PLR2004  # its words
            raise BadWebSocket("no GET of HTTP/1.1")
        headers: dict[str, list[str]] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or name != name.strip():
                raise BadWebSocket("a header that is none")
            headers.setdefault(name.lower(), []).append(value.strip())
        shake = cls(headers)
        shake.check()
        return shake

    def check(self) -> None:
        """Raises `BadWebSocket` unless it asks for MQTT over WebSocket."""
        if "websocket" not in self._words("upgrade") or "upgrade" not in self._words("connection"):
            raise BadWebSocket("this port speaks MQTT over WebSocket", "426 Upgrade Required")
        if self._words("sec-websocket-version") != ["13"]:
            raise BadWebSocket("write Sec-WebSocket-Version: 13", "426 Upgrade Required")
        if "mqtt" not in self._words("sec-websocket-protocol"):
            raise BadWebSocket("write Sec-WebSocket-Protocol: mqtt")
        try:
            right = len(b64decode(self._key, validate=True)) == _KEY_BYTES
        except ValueError:
            right = False
        if not right:
            raise BadWebSocket("no Sec-WebSocket-Key of 16 bytes")

    def _words(self, name: str) -> list[str]:
        listed = ",".join(self.headers.get(name, ()))
        return [word.strip().lower() for word in listed.split(",")]

    @property
    def _key(self) -> bytes:
        keys = self.headers.get("sec-websocket-key", [])
        return keys[0].encode("latin-1") if len(keys) == 1 else b""

    def answer(self) -> bytes:
        """The head of the response that accepts it."""
        accept = b64encode(sha1(self._key + _MAGIC, usedforsecurity=False).digest())
        return (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )


def refusal(status: str, text: str) -> bytes:
    """A response that ends the connection."""
    body = f"{text}\n".encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nSec-WebSocket-Version: 13\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def frame(payload: bytes, opcode: int = _BINARY) -> bytes:
    """One frame, as a server sends it: not masked."""
    first, size = bytes((_FINAL | opcode,)), len(payload)
    if size < _SIZE_2:
        return first + bytes((size,)) + payload
    if size < 1 << 16:
        return first + bytes((_SIZE_2,)) + size.to_bytes(2, "big") + payload
    return first + bytes((_SIZE_8,)) + size.to_bytes(8, "big") + payload


def closing(code: int = 1000) -> bytes:
    """A Close frame."""
    return frame(code.to_bytes(2, "big"), _CLOSE)


class Unframed:
    """Takes bytes as they come; iterating takes out (opcode, payload) of what is there.

    Data come in the pieces in which they arrive, for MQTT packets lie across frames anyway: nothing
    but a header or a control frame is ever kept.
    """

    def __init__(self) -> None:
        self._unread = b""
        self._left = 0
        self._mask = b""
        self._opcode = 0
        self._began = False

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """More bytes came; raises `BadWebSocket`."""
        data = self._unread + data
        self._unread = b""
        at, end = (
            0,
            len(data),
        )  # a copy of the rest at each small frame costs the square
        while at < end:
            if self._left:
                piece = data[at : at + self._left]
                at += len(piece)
                yield self._opcode, self._unmask(piece)
                continue
            read = _header(data[at : at + _LONGEST_HEADER])
            if read is None or (read[1] >= _CLOSE and end < at + read[0] + read[2]):
                self._unread = data[at:]  # an incomplete header, or a control frame
                return
            length, opcode, size, self._mask, final = read
            at += length
            if opcode >= _CLOSE:
                payload = data[at : at + size]
                at += size
                yield opcode, _xor(payload, self._mask)
                continue
            self._begin(opcode, final=final)
            self._opcode, self._left = _BINARY, size

    def _begin(self, opcode: int, *, final: bool) -> None:
        if (opcode == _CONTINUATION) != self._began:
            raise BadWebSocket("fragments out of order")
        self._began = not final

    def _unmask(self, piece: bytes) -> bytes:
        found = _xor(piece, self._mask)
        self._left -= len(piece)
        turn = len(piece) % 4
        self._mask = self._mask[turn:] + self._mask[:turn]
        return found


def _header(data: bytes) -> tuple[int, int, int, bytes, bool] | None:
    """Where the payload begins, opcode, size, mask, and whether it is final; None: incomplete."""
    if len(data) < 2:  # noqa: PLR2004  # the shortest header
        return None
    opcode, final, size, at = data[0] & _OPCODE, data[0] & _FINAL != 0, data[1] & 0x7F, 2
    if data[0] & _RESERVED or not data[1] & _MASKED:
        raise BadWebSocket("a frame with reserved bits, or one that is not masked")
    if opcode not in {_CONTINUATION, _BINARY, _CLOSE, _PING, _PONG}:
        raise BadWebSocket(f"a frame of type {opcode}")  # text too ([MQTT-6.0.0-1])
    if opcode >= _CLOSE and (size > _LONGEST_CONTROL or not final):
        raise BadWebSocket("a control frame that is too long, or not whole")
    if size >= _SIZE_2:
        at = 4 if size == _SIZE_2 else 10
        if len(data) < at:
            return None
        size = int.from_bytes(data[2:at], "big")
    if len(data) < at + 4:
        return None
    return at + 4, opcode, size, data[at : at + 4], final


def _xor(data: bytes, mask: bytes) -> bytes:
    size = len(data)
    repeated = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")


CLOSE, PING, PONG = _CLOSE, _PING, _PONG
