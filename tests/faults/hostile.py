"""A network that tears packets apart: a proxy that cuts, delays and repeats.

A duplicated TCP segment never reaches a program; what can come twice is a packet, as from a broker
that sends again what it takes for lost. So packets are repeated whole, and everything else happens
in the middle of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

from tests.faults import frames
from tests.servers import HOST, free_port

_PIECE = 400  # bytes at most that go on together
_LAG = 0.001  # seconds at most between two pieces
_CUT_AFTER = (5_000, 40_000)  # bytes of a connection in one direction
_REPEATED = 0.02  # of the packets that QoS 1 allows to come twice


class HostileProxy:
    """Listens on `port`, in front of the broker on `target`. `cuts` and `repeats` count."""

    def __init__(self, target: int, seed: int) -> None:
        self.port = free_port()
        self.cuts = 0
        self.repeats = 0
        self._target = target
        self._random = random.Random(seed)
        self._pairs: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[HostileProxy]:
        """It listens for as long as the block lasts."""
        server = await asyncio.start_server(self._serve, HOST, self.port)
        try:
            yield self
        finally:
            server.close()
            pairs = tuple(self._pairs)
            for pair in pairs:
                pair.cancel()
            if pairs:
                await asyncio.wait(pairs)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pair = asyncio.current_task()
        assert pair is not None
        self._pairs.add(pair)
        try:
            await self._relay(reader, writer)
        except (OSError, asyncio.CancelledError, ExceptionGroup):
            pass  # a cut, or either side has left: the end of a pair is no fault of the proxy
        finally:
            writer.transport.abort()
            self._pairs.discard(pair)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(HOST, self._target)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._copy(reader, far_writer), name="hostile up")
                group.create_task(self._copy(far_reader, writer), name="hostile down")
        finally:
            far_writer.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = self._random.randint(*_CUT_AFTER)
        stream = bytearray()
        while data := await reader.read(65_536):
            stream += data
            out = b"".join(map(self._perhaps_twice, frames.split(stream)))
            while out:
                size = min(self._random.randint(1, _PIECE), left)
                writer.write(out[:size])
                await writer.drain()
                out, left = out[size:], left - size
                if left == 0:
                    self.cuts += 1
                    raise ConnectionResetError
                await asyncio.sleep(self._random.uniform(0, _LAG))
        raise ConnectionResetError

    def _perhaps_twice(self, packet: bytes) -> bytes:
        if not frames.may_repeat(packet) or self._random.random() > _REPEATED:
            return packet
        self.repeats += 1
        return packet * 2
