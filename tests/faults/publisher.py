"""A publisher that keeps books: a raw socket that counts PUBACKs, and never gives up.

What was not acknowledged when a connection broke is sent again on the next, as a device would do
that has it on its disk. What was acknowledged is the broker's to keep.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import Iterable

from benchmarks import packets
from tests.faults.load import payload_of, topic_of
from tests.servers import HOST

_AGAIN = 0.02  # seconds between attempts to connect
_MIDS = 65_535


class Publisher:
    """`accepted` has the numbers that were acknowledged, in that order."""

    def __init__(self, port: int, *, window: int = 100) -> None:
        self.accepted: list[int] = []
        self._port = port
        self._window = window
        self._names = itertools.count(1)

    async def publish(self, numbers: Iterable[int]) -> None:
        """Publish ordinary messages with these numbers, all acknowledged when this returns."""
        await self.send((number, topic_of(number), payload_of(number)) for number in numbers)

    async def send(self, messages: Iterable[tuple[int, str, bytes]]) -> None:
        """Publish (number, topic, payload), all acknowledged when this returns."""
        left = deque(messages)
        while left:
            try:
                reader, writer = await self._connect()
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(_AGAIN)
                continue
            try:
                await self._exchange(left, reader, writer)
            except (OSError, asyncio.IncompleteReadError):
                continue
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(HOST, self._port)
        try:
            writer.write(packets.connect(f"load-{id(self)}-{next(self._names)}"))
            await reader.readexactly(packets.CONNACK_BYTES)
        except BaseException:
            writer.close()
            raise
        return reader, writer

    async def _exchange(
        self,
        left: deque[tuple[int, str, bytes]],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Send what is left; what is taken from it and not acknowledged is put back."""
        flying: dict[int, tuple[int, str, bytes]] = {}
        mids = itertools.cycle(range(1, _MIDS + 1))
        try:
            while left or flying:
                while left and len(flying) < self._window:
                    mid, message = next(mids), left.popleft()
                    flying[mid] = message
                    writer.write(packets.publish(message[1], message[2], mid))
                await writer.drain()
                puback = await reader.readexactly(packets.PUBACK_BYTES)
                acknowledged = flying.pop(int.from_bytes(puback[2:], "big"), None)
                if acknowledged is not None:  # else it came twice
                    self.accepted.append(acknowledged[0])
            writer.write(packets.DISCONNECT)
        finally:
            left.extendleft(reversed(flying.values()))
