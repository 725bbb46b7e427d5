"""Between a client and a broker: a proxy that knows where packets begin."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Literal, TypeAlias

from tests.faults import frames
from tests.servers import HOST, free_port

Direction: TypeAlias = Literal["up", "down"]
"""Up is to the broker."""


class Proxy:
    """Hands each packet to `treat`, which returns what goes on in its place.

    `treat` may raise `ConnectionError` after having sent the beginning, by its third argument.
    """

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.target = target
        self._pairs: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Begin to accept."""
        self._server = await asyncio.start_server(self._serve, HOST, self.port)

    async def close(self) -> None:
        """Stop accepting and cut all connections."""
        assert self._server is not None
        self._server.close()
        pairs = tuple(self._pairs)
        for pair in pairs:
            pair.cancel()
        if pairs:
            await asyncio.wait(pairs)

    def connection(self) -> Link:
        """What one connection is treated by."""
        return Link()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pair = asyncio.current_task()
        assert pair is not None
        self._pairs.add(pair)
        try:
            await self._relay(reader, writer)
        except (OSError, asyncio.CancelledError, ExceptionGroup):
            pass  # either side has left, or it was cut: the end of a pair is no fault of the proxy
        finally:
            writer.transport.abort()
            self._pairs.discard(pair)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(HOST, self.target)
        link = self.connection()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(link, "up", reader, far_writer), name="proxy up")
                group.create_task(_copy(link, "down", far_reader, writer), name="proxy down")
        finally:
            far_writer.transport.abort()


class Link:
    """One connection through the proxy; as it is, it changes nothing."""

    async def treat(self, direction: Direction, packet: bytes, write: Write) -> None:
        """Write the packet, or something else in its place; `ConnectionError` cuts."""
        del direction
        await write(packet)


Write: TypeAlias = Callable[[bytes], Awaitable[None]]


async def _copy(
    link: Link, direction: Direction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    async def write(data: bytes) -> None:
        writer.write(data)
        await writer.drain()

    stream = bytearray()
    while data := await reader.read(65_536):
        stream += data
        for packet in frames.split(stream):
            await link.treat(direction, packet, write)
    raise ConnectionResetError


@contextlib.asynccontextmanager
async def opened(proxy: Proxy) -> AsyncIterator[None]:
    """It is open for as long as the block lasts."""
    await proxy.open()
    try:
        yield
    finally:
        await proxy.close()
