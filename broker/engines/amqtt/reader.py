"""The packets of one client on their way into amqtt.

amqtt reads a packet in small pieces, and goes on in the middle when it does not like the first
ones, so that a payload can pass for packets. It lets itself be given any source of bytes: this one
reads whole packets, checks what amqtt does not, and hands out the pieces. It also adds a limit on
size, back-pressure, the keep-alive limit, and order at the end of a connection.
"""

from __future__ import annotations

import asyncio
import logging

from amqtt.adapters import ReaderAdapter

from dskity.broker.engines.amqtt.checks import CONNECT, check

log = logging.getLogger(__name__)

_LENGTH_BYTES = 4  # of a remaining length, at most ([MQTT-2.2.3])
_MORE = 0x80
_TURNS = 3


class PacketReader(ReaderAdapter):
    """Reads from `inner`, one packet of at most `max_packet` bytes after the other.

    Waits for `room` before each. A malformed packet is the end of the stream ([MQTT-4.8.0-1]).
    """

    def __init__(self, inner: ReaderAdapter, room: asyncio.Event, max_packet: int) -> None:
        self._inner = inner
        self._room = room
        self._max_packet = max_packet
        self._packet = b""
        self._body = 0
        self._at = 0
        self._over = False

    async def protocol_level(self) -> int | None:
        """MQTT's protocol level in the CONNECT that begins the stream; None if it is none.

        amqtt, which gets the packet all the same, would take the properties of an MQTT 5 CONNECT
        for lengths and wait for bytes that never come.
        """
        await self._next()
        at = self._body + 2 + int.from_bytes(self._packet[self._body : self._body + 2], "big")
        if self._packet[0] >> 4 != CONNECT or at >= len(self._packet):
            return None
        return self._packet[at]

    async def read(self, n: int = -1) -> bytes:
        if n == 0:
            return b""
        if self._at >= len(self._packet):
            await self._next()
        data = self._packet[self._at :] if n < 0 else self._packet[self._at : self._at + n]
        self._at += len(data)
        if len(data) < n:
            self._over = True
        return data

    def feed_eof(self) -> None:
        self._inner.feed_eof()

    async def _next(self) -> None:
        await self._room.wait()
        if self._over:
            raise ConnectionResetError
        try:
            await self._read_packet()
            check(self._packet[0], self._packet[self._body :])
        except ValueError as error:
            log.warning("a client is cut off: %s", error)
            self._over = True
            raise ConnectionResetError from error
        except asyncio.CancelledError:
            # amqtt gives up on a read when the keep-alive time is over, and then tries again.
            self._over = True
            raise
        except (OSError, EOFError):
            self._over = True
            await self._settle()
            raise

    async def _read_packet(self) -> None:
        packet = await self._exactly(1)
        length = 0
        for index in range(_LENGTH_BYTES):
            byte = await self._exactly(1)
            packet += byte
            length |= (byte[0] & ~_MORE) << 7 * index
            if byte[0] < _MORE:
                break
        else:
            raise ValueError("a remaining length of more than four bytes")
        if length > self._max_packet:
            raise ValueError(f"a packet of {length} bytes, of which {self._max_packet} are allowed")
        self._body = len(packet)
        self._packet = packet + await self._exactly(length) if length else packet
        self._at = 0

    async def _exactly(self, n: int) -> bytes:
        data = await self._inner.read(n)
        if len(data) < n:
            raise asyncio.IncompleteReadError(data, n)
        return data

    @staticmethod
    async def _settle() -> None:
        # At the end of a stream amqtt cancels what it has not begun to handle. The packets before
        # it must come first: a DISCONNECT among them discards the will ([MQTT-3.14.4-3]).
        for _ in range(_TURNS):
            await asyncio.sleep(0)
