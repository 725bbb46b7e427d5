"""What brings a runtime to a stand-still, if anything does: backlogs, changed filters, hostile
text, and strangers at its door."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import TypeAlias

from tests.faults.load import payload_of, topic_of
from tests.faults.outcome import Outcome, Size, reckon, still
from tests.faults.process import settings, worker
from tests.faults.publisher import Publisher
from tests.faults.watching import reaches, settles
from tests.faults.worker import Spec
from tests.servers import HOST, free_port, listening, mosquitto

_START = 10.0  # seconds: a process of its own on a busy machine, until it handles something
_WINDOW = ("max_inflight_messages 10000",)
# Each of these has ended a connection somewhere: what a handler says of them goes into headers.
HOSTILE = (
    b"[" * 1_000,
    b'{"n":%d,"do":"line\\nbreak"}',
    b'{"n":%d,"do":"\\u0000\\u0085"}',
    b'{"n":%d,"do":"\\ud800"}',
    b"\xff\xfe number %d",
    b'{"n":%d,"n":NaN}',
)
_FILTERS = ("load/{line}", "load/{line...}", "+/{line}", "load/{other}")


async def hostile_text(size: Size, folder: Path) -> Outcome:
    """`size.faults` of each text that no handler can read are in a stream of others."""
    bad = {
        number * 7: HOSTILE[number % len(HOSTILE)] for number in range(size.faults * len(HOSTILE))
    }

    def message(number: int) -> tuple[int, str, bytes]:
        text = bad.get(number)
        if text is None:
            return number, topic_of(number), payload_of(number)
        return number, topic_of(number), text % number if b"%d" in text else text

    unreadable = {number for number, text in bad.items() if b"%d" not in text}
    return await _poisoned(
        folder, map(message, range(size.messages)), set(bad), unreadable=unreadable
    )


async def _poisoned(
    folder: Path,
    messages: Iterable[tuple[int, str, bytes]],
    bad: set[int],
    *,
    unreadable: Iterable[int] = (),
) -> Outcome:
    with mosquitto(_WINDOW) as broker:
        publisher = Publisher(broker.port)
        with worker(folder, Spec(settings(folder, broker.port), {"attempts": 2})) as runtime:
            await reaches(lambda: runtime.lives, 1)
            since = time.monotonic()
            await publisher.send(messages)
            named = set(publisher.accepted) - set(unreadable)
            await settles(named, runtime.handled, runtime.dead)
            lives, alive = runtime.lives, runtime.running
    wrong = [] if alive and lives == 1 else ["the process has ended"]
    if not bad - set(unreadable) <= set(runtime.dead.counts):
        wrong.append("not all of the poison is a dead letter")
    return reckon(
        named,
        runtime.handled.counts,
        dead=runtime.dead.counts,
        stood_still=still(since, runtime.handled.moments, runtime.dead.moments),
        note=f"{len(bad)} bad ones",
        wrong=tuple(wrong),
    )


async def backlog_at_start(size: Size, folder: Path) -> Outcome:
    """More wait with the broker than may be in flight, and each takes some milliseconds."""
    with mosquitto(_WINDOW) as broker:
        publisher = Publisher(broker.port)
        own = settings(folder, broker.port, bus={"max_in_flight": max(1, size.messages // 3)})
        with worker(folder, Spec(own, {}, pause=0.02)) as runtime:
            await reaches(lambda: runtime.lives, 1)
            runtime.kill()
            await publisher.publish(range(size.messages))
            since = time.monotonic()
            runtime.start()
            await settles(publisher.accepted, runtime.handled)
            ready = runtime.lives
    return reckon(
        publisher.accepted,
        runtime.handled.counts,
        stood_still=still(since, runtime.handled.moments, allowance=_START),
        wrong=() if ready == 2 else ("it was never ready",),
    )


async def filter_changes(size: Size, folder: Path) -> Outcome:
    """At each start the route has another filter than that which the broker queued for."""
    each = size.messages // len(_FILTERS)
    with mosquitto(_WINDOW) as broker:
        publisher = Publisher(broker.port)
        own = settings(folder, broker.port)
        with worker(folder, Spec(own, {}, filter=_FILTERS[-1])) as runtime:
            await reaches(lambda: runtime.lives, 1)
            since = time.monotonic()
            for life, filter in enumerate(_FILTERS):
                runtime.kill()
                await publisher.publish(range(life * each, (life + 1) * each))
                runtime.change(Spec(own, {}, filter=filter))
                runtime.start()
                await reaches(lambda: runtime.lives, life + 2)
                await settles(publisher.accepted, runtime.handled)
    return reckon(
        publisher.accepted,
        runtime.handled.counts,
        stood_still=still(since, runtime.handled.moments, allowance=_START),
        note=f"{len(_FILTERS)} filters",
    )


async def silent(number: int, writer: asyncio.StreamWriter) -> None:
    """Say nothing, or half a head."""
    if number % 2:
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: a\r\nX-Half:")
        await writer.drain()


async def _trailers(number: int, writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"POST /topics/strange HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n"
    )
    with contextlib.suppress(OSError):  # it is cut off, which is well
        for line in range(2_000):
            writer.write(b"X-%d-%d: %s\r\n" % (number, line, b"x" * 1_000))
            await writer.drain()


async def silent_sockets(size: Size, folder: Path) -> Outcome:
    """`size.faults` connections to the HTTP door say nothing, or half a head."""
    return await _besieged(size, folder, silent)


async def trailers(size: Size, folder: Path) -> Outcome:
    """`size.faults` requests send trailers without an end."""
    return await _besieged(size, folder, _trailers)


_Siege: TypeAlias = Callable[[int, asyncio.StreamWriter], Awaitable[None]]


async def _besieged(size: Size, folder: Path, besiege: _Siege) -> Outcome:
    port = free_port()
    with mosquitto(_WINDOW) as broker:
        publisher = Publisher(broker.port)
        door = {"host": HOST, "port": port, "http": {"enabled": True}}
        with worker(folder, Spec(settings(folder, broker.port) | door, {})) as runtime:
            await reaches(lambda: int(runtime.lives and listening(port)), 1)
            since = time.monotonic()
            async with strangers(port, size.faults, besiege):
                await publisher.publish(range(size.messages))
                await settles(publisher.accepted, runtime.handled)
                answered = await _lives(port)
    return reckon(
        publisher.accepted,
        runtime.handled.counts,
        stood_still=still(since, runtime.handled.moments),
        note=f"{size.faults} strangers",
        wrong=() if answered else ("/health/live was not answered",),
    )


@contextlib.asynccontextmanager
async def strangers(port: int, count: int, besiege: _Siege) -> AsyncIterator[None]:
    """They stay for as long as the block lasts."""
    writers: list[asyncio.StreamWriter] = []

    async def one(number: int) -> None:
        try:
            _, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            return  # there are enough of them
        writers.append(writer)
        with contextlib.suppress(OSError):
            await besiege(number, writer)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(number), name=f"{number}") for number in range(count)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for writer in writers:
                writer.transport.abort()


async def _lives(port: int) -> bool:
    """Whether the door answers us while they are there."""
    with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            head = await reader.readline()
            writer.transport.abort()
            return b" 200 " in head
    return False
