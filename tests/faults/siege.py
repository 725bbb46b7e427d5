"""Strangers at an HTTP door, who come to hold it up."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

from tests.servers import HOST

Attack: TypeAlias = Callable[[int, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What a stranger does, who has a number; it returns when it was cut off, or an `OSError` is
raised."""
_LINE = 1_000  # bytes in each trailer


async def half_head(
    number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Say nothing, or half a head, and wait."""
    if number % 2:
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: a\r\nX-Half:")
    await reader.read()


async def trailers_without_end(
    number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """An empty body, and trailers behind it for as long as they are taken."""
    writer.write(
        b"POST /topics/strange HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n"
    )
    for line in itertools.count():
        writer.write(b"X-%d-%d: %s\r\n" % (number, line, b"x" * _LINE))
        await writer.drain()


class Siege:
    """`cut` counts the strangers who were refused, or cut off."""

    def __init__(self) -> None:
        self.cut = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def stranger(
        self, port: int, number: int, attack: Attack, arrived: asyncio.Semaphore
    ) -> None:
        """Come, attack, and stay until cut off."""
        try:
            reader, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            self.cut += 1
            return
        finally:
            arrived.release()
        self._writers.append(writer)
        with contextlib.suppress(OSError):
            await attack(number, reader, writer)
        self.cut += 1

    def leave(self) -> None:
        """All at once, without a goodbye."""
        for writer in self._writers:
            writer.transport.abort()


@contextlib.asynccontextmanager
async def laid(port: int, count: int, attack: Attack) -> AsyncIterator[Siege]:
    """All have come, or were refused; they stay for as long as the block lasts."""
    siege, arrived = Siege(), asyncio.Semaphore(0)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(siege.stranger(port, number, attack, arrived), name=f"{number}")
            for number in range(count)
        ]
        try:
            for _ in tasks:
                await arrived.acquire()
            yield siege
        finally:
            for task in tasks:
                task.cancel()
            siege.leave()


async def answers(port: int, path: str, within: float = 5.0) -> bool:
    """Whether the door answers 200 in time, whoever else is there."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(within):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % path.encode())
            head = await reader.readline()
            writer.transport.abort()
            return b" 200 " in head
    return False
