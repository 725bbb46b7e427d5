"""What one client sends to amqtt from its CONNECT on, and what it gets."""

from __future__ import annotations

import asyncio
import io
import logging

from amqtt.adapters import ReaderAdapter, StreamWriterAdapter

from dskity.broker.packets.connect import Connect, read_connect
from dskity.broker.packets.framing import Frames

log = logging.getLogger(__name__)

MAX_CONNECT = 256 * 1024
MAX_PACKET = 16 * 1024 * 1024
_CHUNK = 65_536
_RETAINED, _SUBACK = 0x31, 0x90  # the first byte: PUBLISH with RETAIN at QoS 0, and SUBACK


class ClientReader(ReaderAdapter):
    """Reads from `inner`. amqtt takes a payload in one piece, so a piece of more than `MAX_PACKET`
    bytes ends the stream."""

    def __init__(self, inner: asyncio.StreamReader) -> None:
        self._inner = inner
        self._first = io.BytesIO()
        self._over = False

    async def connect(self) -> Connect:
        """The CONNECT that begins the stream; `read` returns its bytes again.

        Raises `Malformed`, `OtherVersion`, and EOFError where the stream ends before.
        """
        frames, first = Frames(MAX_CONNECT), bytearray()
        while (packet := next(iter(frames), None)) is None:
            data = await self._inner.read(_CHUNK)
            if not data:
                raise EOFError("the connection ended before its CONNECT")
            first += data
            frames.feed(data)
        self._first = io.BytesIO(first)
        return read_connect(*packet)

    async def read(self, n: int = -1) -> bytes:
        if n > MAX_PACKET:
            log.warning("a client is cut off: %d bytes, of which %d are allowed", n, MAX_PACKET)
            self._over = True
        if self._over:
            raise ConnectionResetError
        data = self._first.read(n)
        return data + await self._inner.readexactly(n - len(data)) if len(data) < n else data

    def feed_eof(self) -> None:
        self._inner.feed_eof()


class ClientWriter(StreamWriterAdapter):
    """Leaves out the retained messages that amqtt sends to each client that connects, for the
    filters of all clients: a client's own come after its SUBACK."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        super().__init__(writer)
        self._subscribed = False

    def write(self, data: bytes) -> None:
        """One packet."""
        first = data[0]
        self._subscribed = self._subscribed or first == _SUBACK
        if self._subscribed or first != _RETAINED:
            super().write(data)
