"""What a set wall clock changes, and what not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dskity.bus.bus import Bus
from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.bus.message import Message
from dskity.bus.store.dedup_store import DedupStore
from dskity.bus.store.outbox import Outbox
from dskity.handlers import Dispatcher
from tests.faults.one_runtime.clocks import SetClock
from tests.waiting import until

DAY = 86_400.0
WINDOW = 60.0


@asynccontextmanager
async def box(
    folder: Path, clock: SetClock, broker: MemoryBroker, seen: list[str]
) -> AsyncIterator[tuple[Bus, Outbox]]:
    """A bus whose messages may be a day old, and a handler that sees them."""
    outbox = Outbox(folder / "outbox.db", max_age=DAY, clock=clock)
    dispatcher = Dispatcher()
    bus = Bus(MemoryTransport(broker, "box"), dispatcher, outbox=outbox, clock=clock)
    await bus.start()

    async def handle(message: Message) -> None:
        seen.append(message.topic)

    await bus.subscribe("t/{name}", handle)
    try:
        yield bus, outbox
    finally:
        await dispatcher.close()
        await bus.close()


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def away(clock: SetClock) -> MemoryBroker:
    """A broker that is not there yet."""
    broker = MemoryBroker(clock=clock)
    broker.stop()
    return broker


@pytest.mark.parametrize("step", [10_000 * DAY, -10_000 * DAY])
async def test_time_that_passed_counts_and_a_step_does_not(
    tmp_path: Path, clock: SetClock, away: MemoryBroker, step: float
) -> None:
    """Of expiry, and of the age that a message may have."""
    seen: list[str] = []
    async with box(tmp_path, clock, away, seen) as (bus, outbox):
        await bus.publish("t/expired", b"", expires_in=10)
        await bus.publish("t/expires", b"", expires_in=100)
        await bus.publish("t/kept", b"")
        await clock.advance(50)
        clock.set(step)
        away.start()
        await until(lambda: len(seen) == 2 and outbox.empty, "what is not expired")
        assert seen == ["t/expires", "t/kept"]
        assert outbox.expired == 1


async def test_the_next_process_reads_stamps_of_the_clock_that_was_set(
    tmp_path: Path, clock: SetClock, away: MemoryBroker
) -> None:
    """A box that booted in 1970 and was set to today, is switched off, and comes back."""
    seen: list[str] = []
    async with box(tmp_path, clock, away, seen) as (bus, _):
        await bus.publish("t/early", b"")
        clock.set(10_000 * DAY)
        await bus.publish("t/late", b"")
    clock.set(DAY / 2)  # switched off meanwhile
    async with box(tmp_path, clock, away, seen) as (_, outbox):
        away.start()
        await until(lambda: len(seen) == 2 and outbox.empty, "both")
        assert outbox.expired == 0


async def test_what_became_old_while_the_box_was_off_is_not_sent(
    tmp_path: Path, clock: SetClock, away: MemoryBroker
) -> None:
    """Only the wall clock can tell that."""
    seen: list[str] = []
    async with box(tmp_path, clock, away, seen) as (bus, _):
        await bus.publish("t/old", b"")
    clock.set(DAY * 2)
    async with box(tmp_path, clock, away, seen) as (_, outbox):
        away.start()
        await until(lambda: outbox.expired == 1, "it is too old")
        assert seen == []


@pytest.mark.parametrize("step", [WINDOW / 2, -WINDOW / 2, 2 * WINDOW, -2 * WINDOW])
async def test_a_wall_clock_that_is_set_changes_no_age_of_a_dedupe_key(
    clock: SetClock, step: float
) -> None:
    """Ages are counted by the monotonic clock."""
    seen = DedupStore(None, what="keys", keep=DAY, clock=clock)
    await seen.open()
    try:
        await seen.add("route", "k")
        clock.set(step)
        assert await seen.has("route", "k", WINDOW)
    finally:
        await seen.close()


def test_a_set_clock_moves_the_wall_only(clock: SetClock) -> None:
    wall: Callable[[], float] = clock.time
    before = wall(), clock.monotonic()
    clock.set(5)
    assert (wall() - before[0], clock.monotonic() - before[1]) == (5, 0)
