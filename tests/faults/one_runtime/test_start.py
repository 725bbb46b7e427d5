"""A runtime that comes back, to what waits at the broker and on its own disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dskity.bus.bus import Bus
from dskity.bus.inbound import hold as holding
from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.bus.message import Message
from dskity.bus.store.outbox import Outbox
from dskity.handlers import Dispatcher
from tests.waiting import until


@asynccontextmanager
async def alive(
    broker: MemoryBroker, outbox: Outbox | None = None, *, hold: bool = False
) -> AsyncIterator[Bus]:
    """One life of the client `box`."""
    dispatcher = Dispatcher()
    bus = Bus(MemoryTransport(broker, "box"), dispatcher, outbox=outbox)
    await bus.start(hold=hold)
    try:
        yield bus
    finally:
        await dispatcher.close()
        await bus.close()


async def test_the_outbox_waits_for_the_handlers(tmp_path: Path) -> None:
    """Else what one module published for another, before the process was killed, would come to the
    broker before anybody is subscribed."""
    seen: list[bytes] = []

    async def handle(message: Message) -> None:
        seen.append(message.payload)

    broker = MemoryBroker()
    broker.stop()
    async with alive(broker, Outbox(tmp_path / "outbox.db"), hold=True) as bus:
        assert (await bus.publish("t", b"1")).accepted == "outbox"
        broker.start()
    async with alive(broker, Outbox(tmp_path / "outbox.db"), hold=True) as bus:
        await until(lambda: bus.connected, "connected")
        assert (await bus.publish("t", b"2")).accepted == "outbox"  # behind the other one
        await bus.subscribe("t", handle)
        bus.open()
        await until(lambda: seen == [b"1", b"2"], "both")


@pytest.mark.parametrize("bound", ["messages", "bytes"])
async def test_what_waits_at_the_broker_does_not_fill_the_memory_before_the_handlers_are_there(
    monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    """Beyond a bound nothing is read until they are; then all comes, once and in order."""
    monkeypatch.setattr(
        holding, *{"messages": ("MOST_HELD", 10), "bytes": ("MOST_HELD_BYTES", 10)}[bound]
    )
    seen: list[int] = []

    async def handle(message: Message) -> None:
        seen.append(message.json())

    broker = MemoryBroker()
    async with alive(broker) as bus:
        await bus.subscribe("t", handle)
    for number in range(100):
        broker.publish(Message("t", b"%d" % number))
    async with alive(broker, hold=True) as bus:
        await until(lambda: bus.counters.received == 10, "as many as the bound")
        await bus.subscribe("t", handle)
        for _ in range(10):
            await asyncio.sleep(0)
        assert bus.counters.received == 10
        bus.open()
        await until(lambda: len(seen) == 100, "all")
    assert seen == list(range(100))
