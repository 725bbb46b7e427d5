"""Handlers that are plain functions: their threads, and what becomes of those that do not end."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dskity.bus.base.clock import SYSTEM_CLOCK, VirtualClock
from dskity.bus.base.tasks import TaskHealth
from dskity.bus.base.threads import ThreadPool
from dskity.bus.bus import Bus
from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.bus.message import Message
from dskity.handlers import Dedupe, Dispatcher, RetryPolicy
from dskity.handlers.route.attempt import THREAD_PATIENCE
from dskity.modules.ops.metrics import read, render
from tests.handlers.stored.test_stored_and_dedupe import on_disk
from tests.handlers.test_base_exceptions import is_empty
from tests.house_bus import memory_house
from tests.waiting import until

ONCE = RetryPolicy(attempts=1)
FOUR = RetryPolicy(attempts=4, backoff=0)


@dataclass
class Blocker:
    """A plain handler that blocks on the payloads it is told to, until it is opened."""

    blocks: set[str] = field(default_factory=lambda: {"bad"})
    opened: threading.Event = field(default_factory=threading.Event)
    inside: list[str] = field(default_factory=list)
    most: int = 0
    begun: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def __call__(self, text: str) -> None:
        self.begun.append(text)
        self.inside.append(text)
        self.most = max(self.most, len(self.inside))
        if text in self.blocks:
            self.opened.wait(20)
        self.inside.remove(text)
        self.ended.append(text)


@pytest.fixture
def blocker() -> Iterator[Blocker]:
    it = Blocker()
    yield it
    it.opened.set()


async def pass_time(clock: VirtualClock, seconds: float) -> None:
    """Some of it, with what threads tell in between."""
    await asyncio.sleep(0.01)
    await clock.advance(seconds)


async def test_a_retry_waits_for_the_thread_of_the_attempt_before_and_so_do_later_messages(
    blocker: Blocker, caplog: pytest.LogCaptureFixture
) -> None:
    clock = VirtualClock()
    async with memory_house(clock=clock) as house:
        await house.bus.subscribe("t", blocker, timeout=5, retry=FOUR)
        for text in ("bad", "1", "2"):
            await house.bus.publish("t", text)
        await until(lambda: blocker.inside, "it is in a thread")
        await pass_time(clock, 6)
        stats = house.dispatcher.routes[0].stats
        await until(lambda: stats.threads_overdue == 1, "it is overdue")
        await pass_time(clock, THREAD_PATIENCE / 2)
        assert (blocker.begun, stats.timed_out, stats.retried) == (["bad"], 1, 0)
        assert house.bus.threads.overdue == 1
        assert "dskity_handler_threads_overdue 1\n" in render(read(house.bus, TaskHealth()))
        blocker.opened.set()
        await until(lambda: blocker.ended == ["bad", "bad", "1", "2"], "the retry, then the others")
        assert (blocker.most, stats.threads_overdue, stats.retried) == (1, 0, 1)
        assert "Blocker still runs in its thread after" in caplog.text
        assert "with a message of t, past its time-out" in caplog.text
        await is_empty(house)


async def test_a_message_without_attempts_left_is_dead_lettered_at_once_and_its_key_waits(
    blocker: Blocker,
) -> None:
    async with memory_house() as house, house.bus.stream("dskity/dead-letter/#") as dead:
        await house.bus.subscribe("t/+", blocker, timeout=0.05, retry=ONCE)
        for topic, text in (("t/a", "bad"), ("t/a", "later"), ("t/b", "other")):
            await house.bus.publish(topic, text)
        assert (await asyncio.wait_for(anext(dead), 10)).payload == b"bad"
        await until(lambda: blocker.ended == ["other"], "another key goes on")
        session = house.transport._session
        assert session is not None
        await until(lambda: len(session.unacked) == 1, "it waits unacknowledged")
        assert blocker.begun.count("later") == 0
        blocker.opened.set()
        await until(lambda: "later" in blocker.ended, "the key is free")
        await is_empty(house)


async def test_a_thread_that_never_ends_holds_up_neither_the_flow_nor_the_acknowledgements(
    blocker: Blocker, caplog: pytest.LogCaptureFixture
) -> None:
    """Its message, then those that wait for its key go to the dead letter, without a second run;
    and the route has the place of the key for others."""
    clock = VirtualClock()
    async with (
        memory_house(clock=clock) as house,
        house.bus.stream("dskity/dead-letter/#") as dead,
    ):
        retry = RetryPolicy(attempts=4, backoff=0)
        await house.bus.subscribe("t/+", blocker, timeout=5, retry=retry, concurrency=1)
        for topic, text in (("t/a", "bad"), ("t/a", "1"), ("t/a", "2"), ("t/b", "3")):
            await house.bus.publish(topic, text)
        await until(lambda: blocker.inside, "it is in a thread")
        await pass_time(clock, 6)
        await pass_time(clock, THREAD_PATIENCE)
        letter = await asyncio.wait_for(anext(dead), 10)
        assert (letter.payload, letter.headers["dskity-attempts"]) == (b"bad", "1")
        await until(lambda: house.dispatcher.in_flight.messages == 3, "it has left the flow")
        await pass_time(clock, THREAD_PATIENCE + 1)
        letters = [await asyncio.wait_for(anext(dead), 10) for _ in range(2)]
        assert [letter.payload for letter in letters] == [b"1", b"2"]
        assert "not started" in letters[0].headers["dskity-error"]
        await until(lambda: blocker.ended == ["3"], "another key has the place")
        session = house.transport._session
        assert session is not None
        await until(lambda: not session.unacked, "all acknowledged")
        assert house.dispatcher.in_flight.messages == 0
        assert blocker.begun == ["bad", "3"]
        assert "messages that wait for its key become dead letters" in caplog.text
        blocker.opened.set()
        await until(lambda: not house.dispatcher.routes[0]._serializer.busy, "the key is free")
        assert house.dispatcher.routes[0]._serializer.concurrency == 1
        await house.bus.publish("t/a", "4")
        await until(lambda: "4" in blocker.ended, "what comes later is handled")
        await is_empty(house)


async def test_blocked_plain_handlers_leave_other_plain_handlers_and_host_names_alone(
    blocker: Blocker,
) -> None:
    async with memory_house() as house:
        blocker.blocks = {str(number) for number in range(60)}
        done: list[bytes] = []

        def other(message: Message) -> None:
            done.append(message.payload)

        await house.bus.subscribe("blocked/+", blocker)
        await house.bus.subscribe("other", other)
        for number in range(60):
            await house.bus.publish(f"blocked/{number}", str(number))
        await until(lambda: len(blocker.inside) == 40, "the pool is full")
        for number in range(5):
            await house.bus.publish("other", number)
        await until(lambda: len(done) == 5, "the other ones")
        loop = asyncio.get_running_loop()
        assert await asyncio.wait_for(loop.getaddrinfo("localhost", 1883), 10)
        assert house.bus.threads.threads in {40, 41}
        blocker.opened.set()
        await is_empty(house)


async def test_threads_past_their_time_out_do_not_eat_the_threads_of_their_route(
    blocker: Blocker,
) -> None:
    broker = MemoryBroker()
    dispatcher = Dispatcher(threads=ThreadPool("few", 2))
    bus = Bus(MemoryTransport(broker, "box"), dispatcher)
    await bus.start()
    try:
        blocker.blocks = {"0", "1", "2", "3"}
        await bus.subscribe("t/+", blocker, timeout=0.05, retry=ONCE)
        for number in range(6):
            await bus.publish(f"t/{number}", str(number))
        await until(lambda: sorted(blocker.ended) == ["4", "5"], "those that do not block")
        await until(lambda: bus.threads.overdue == 4, "those that block are overdue")
        blocker.opened.set()
        await until(lambda: dispatcher.in_flight.messages == 0, "all of them")
    finally:
        await dispatcher.close()
        await bus.close()


async def test_a_message_that_gets_no_thread_in_time_fails_without_having_run(
    blocker: Blocker,
) -> None:
    async with memory_house() as house, house.bus.stream("dskity/dead-letter/#") as dead:
        house.bus.threads.size = 1
        await house.bus.subscribe("slow/+", blocker, timeout=None)
        await house.bus.publish("slow/1", "bad")
        await until(lambda: blocker.inside, "the only thread is taken")
        await house.bus.subscribe("t/+", blocker, timeout=0.05, retry=ONCE)
        blocker.blocks.add("first")
        await house.bus.publish("t/1", "first")  # its route has none: one beyond the bound
        await house.bus.publish("t/2", "second")
        letters = {(await asyncio.wait_for(anext(dead), 10)).payload for _ in range(2)}
        assert letters == {b"first", b"second"}
        assert blocker.begun == ["bad", "first"]
        blocker.opened.set()
        await is_empty(house)


async def test_a_dedupe_key_is_held_until_the_thread_has_ended(
    blocker: Blocker, tmp_path: Path
) -> None:
    async with (
        on_disk(MemoryBroker(), tmp_path, clock=SYSTEM_CLOCK) as (bus, dispatcher, _, _),
        bus.stream("dskity/dead-letter/#") as dead,
    ):
        same = Dedupe(lambda _: "same")
        await bus.subscribe("t/+", blocker, dedupe=same, order_by=None, timeout=0.2, retry=ONCE)
        await bus.publish("t/a", "bad")
        await until(lambda: blocker.inside, "it is in a thread")
        assert (await asyncio.wait_for(anext(dead), 10)).payload == b"bad"
        await bus.publish("t/b", "second")
        assert (await asyncio.wait_for(anext(dead), 10)).payload == b"second"  # waited in vain
        assert blocker.begun == ["bad"]
        blocker.opened.set()
        await until(lambda: blocker.ended == ["bad"], "the thread ends")
        await bus.publish("t/c", "third")
        await until(lambda: blocker.ended == ["bad", "third"], "the key is free")
        await until(lambda: dispatcher.in_flight.messages == 0, "the flow is empty")


async def test_closing_waits_for_no_thread_beyond_the_grace_and_names_those_that_are_left(
    blocker: Blocker, caplog: pytest.LogCaptureFixture
) -> None:
    async with memory_house() as house:
        blocker.blocks = {str(number) for number in range(5)}
        await house.bus.subscribe("t/+", blocker, timeout=0.05)
        for number in range(5):
            await house.bus.publish(f"t/{number}", str(number))
        await until(lambda: house.bus.threads.overdue == 5, "all are overdue")
        assert await asyncio.wait_for(house.dispatcher.close(0.05), 10) is False
        session = house.transport._session
        assert session is not None
        assert len(session.unacked) == 5
        assert "handler Blocker on t/+ still runs in 5 thread(s), the longest for" in caplog.text


async def test_the_end_of_a_thread_is_told(
    blocker: Blocker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dskity.handlers")
    async with memory_house() as house:
        await house.bus.subscribe("t", blocker, timeout=0.05, retry=ONCE)
        await house.bus.publish("t", "bad")
        await until(lambda: house.bus.threads.overdue == 1, "it is overdue")
        blocker.opened.set()
        await is_empty(house)
        assert "the thread with a message of t ended after" in caplog.text


async def test_a_plain_handler_that_returns_a_coroutine_has_it_awaited_in_the_loop() -> None:
    async with memory_house() as house:
        threads: list[str] = []

        async def later() -> None:
            threads.append(threading.current_thread().name)

        def handler(message: Message):  # type: ignore[no-untyped-def]  # noqa: ANN202  # as users write them
            threads.append(threading.current_thread().name)
            return later()

        await house.bus.subscribe("t", handler)
        await house.bus.publish("t", b"")
        await until(lambda: len(threads) == 2, "both")
        assert threads == ["dskity-handlers-1", threading.main_thread().name]
