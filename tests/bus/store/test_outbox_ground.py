"""The outbox on bad ground: a broker that acknowledges nothing, a transport that fails oddly."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.bus.errors import Unacknowledged
from dskity.bus.message import Message
from dskity.bus.store.outbox import Outbox
from tests.waiting import until

Sends = Callable[[Message], Awaitable[object]]


@asynccontextmanager
async def outbox(
    path: Path, clock: VirtualClock, send: Sends, topics: list[str]
) -> AsyncIterator[Outbox]:
    """One with a message of each topic, and a connection."""
    box = Outbox(path / "outbox.db", clock=clock)
    await box.open(send)
    for topic in topics:
        await box.put(Message(topic, b"", 1))
    box.release()
    box.link_changed(True, resumed=True)
    try:
        yield box
    finally:
        await box.close()


async def _connection_ends(box: Outbox, clock: VirtualClock, sent: list[str]) -> None:
    """After a minute in which something was tried on it."""
    before = len(sent)

    async def tried() -> bool:
        await clock.advance(1)
        return len(sent) > before or box.empty

    await until(tried, "an attempt")
    await clock.advance(60)
    box.link_changed(False, resumed=False)
    box.link_changed(True, resumed=True)


async def test_a_broker_that_acknowledges_nothing_blames_no_message(tmp_path: Path) -> None:
    """However often; when it does again, all leave, without a restart."""
    clock, sent = VirtualClock(), list[str]()
    silent = True

    async def send(message: Message) -> None:
        sent.append(message.topic)
        if silent:
            raise Unacknowledged("no acknowledgement")

    async with outbox(tmp_path, clock, send, ["t/a", "t/b"]) as box:
        for _ in range(20):
            await _connection_ends(box, clock, sent)
        assert box.refused == 0
        silent = False

        async def emptied() -> bool:
            await clock.advance(1)
            return box.empty

        await until(emptied, "all sent")
        assert box.sent == 2


async def test_one_message_that_is_never_acknowledged_is_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where others are, and those leave."""
    clock, sent = VirtualClock(), list[str]()

    async def send(message: Message) -> None:
        sent.append(message.topic)
        if message.topic == "t/a":
            raise Unacknowledged("no acknowledgement")

    async with outbox(tmp_path, clock, send, ["t/a", "t/b", "t/c"]) as box:

        async def set_aside() -> bool:
            await box.put(Message("t/d", b"", 1))
            await _connection_ends(box, clock, sent)
            return box.refused == 1

        await until(set_aside, "set aside")
        assert "t/d" in sent
    assert "acknowledges others, and never this one" in caplog.text


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=repr)
async def test_a_transport_that_raises_what_ends_a_process_ends_nothing(
    tmp_path: Path, error: BaseException
) -> None:
    """It is an error of that message; the others leave."""

    async def send(message: Message) -> None:
        if message.topic == "t/b":
            raise error

    async with outbox(tmp_path, VirtualClock(), send, ["t/a", "t/b", "t/c"]) as box:
        await until(lambda: box.empty, "all gone")
        assert (box.sent, box.refused) == (2, 1)
