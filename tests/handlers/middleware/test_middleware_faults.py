"""Whatever a middleware does, its message has an end and gives its place back; others go on."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.bus.message import Message
from dskity.bus.middleware import Call, Next
from dskity.handlers import RetryPolicy
from dskity.handlers.route.attempt import THREAD_PATIENCE
from tests.handlers.test_base_exceptions import empty_at_the_end, every_exception, is_empty
from tests.handlers.test_ignored_cancellations import swallow
from tests.handlers.test_plain_handlers import Blocker, pass_time
from tests.house_bus import memory_house
from tests.waiting import until

TWO = RetryPolicy(attempts=2, backoff=0)
BAD = b"bad"


@every_exception
@pytest.mark.parametrize("suspends", [0, 2], ids=["first step", "later"])
@pytest.mark.parametrize("place", ["before", "after"])
async def test_whatever_it_raises_is_a_failed_attempt_and_what_waits_goes_on(
    maker: Callable[[], BaseException], suspends: int, place: str
) -> None:
    async def fails(call: Call, message: Message, next: Next) -> Any:
        if place == "after":
            await next(call, message)
        for _ in range(suspends):
            await asyncio.sleep(0)
        if message.payload == BAD:
            raise maker()
        return await next(call, message)

    async with empty_at_the_end() as (house, dead):
        handled: list[bytes] = []

        async def handler(message: Message) -> None:
            handled.append(message.payload)

        await house.bus.subscribe("t/+", handler, retry=TWO, middleware=[fails])
        for topic, payload in (("t/a", BAD), ("t/a", b"1"), ("t/b", b"2")):
            await house.bus.publish(topic, payload)
        letter = await asyncio.wait_for(anext(dead), 10)
        assert (letter.payload, letter.headers["dskity-attempts"]) == (BAD, "2")
        await until(lambda: {b"1", b"2"} <= set(handled), "the others")
        await until(lambda: house.dispatcher.routes[0].stats.handled == 2, "both are counted")


@pytest.mark.parametrize("place", ["before", "after", "without"])
async def test_one_that_never_ends_is_ended_by_the_time_out_of_the_route(place: str) -> None:
    async def hangs(call: Call, message: Message, next: Next) -> Any:
        if place == "after":
            await next(call, message)
        if message.payload == BAD:
            await asyncio.Event().wait()
        if place != "without":
            await next(call, message)

    clock = VirtualClock()
    async with memory_house(clock=clock) as house, house.bus.stream("dskity/dead-letter/#") as dead:

        async def handler(message: Message) -> None: ...

        await house.bus.subscribe("t", handler, timeout=5, retry=TWO, middleware=[hangs])
        await house.bus.publish("t", BAD)
        await house.bus.publish("t", b"good")
        stats = house.dispatcher.routes[0].stats
        for attempt in (1, 2):
            await until(lambda: house.dispatcher._pool.running, "it waits")
            await clock.advance(6)
            await until(lambda attempt=attempt: stats.timed_out == attempt, "the time-out")  # type: ignore[misc]
            await clock.advance(0)
        letter = await asyncio.wait_for(anext(dead), 10)
        assert letter.headers["dskity-error"] == "TimeoutError: not finished within 5 s"
        await until(lambda: stats.handled == 1, "the next of its key")
        await is_empty(house)


async def test_the_time_out_covers_middleware_and_handler_together() -> None:
    clock = VirtualClock()

    async def slow(call: Call, message: Message, next: Next) -> Any:
        await clock.sleep(3)
        return await next(call, message)

    async with memory_house(clock=clock) as house:

        async def handler(message: Message) -> None:
            await clock.sleep(3)

        await house.bus.subscribe(
            "t", handler, timeout=5, retry=RetryPolicy(attempts=1), middleware=[slow]
        )
        await house.bus.publish("t")
        stats = house.dispatcher.routes[0].stats
        for _ in range(2):
            await until(lambda: clock._sleepers, "it sleeps")
            await clock.advance(2.9)
        await until(lambda: stats.timed_out == 1, "the time-out after 5 s, not 6")


async def test_one_that_ignores_its_time_out_is_named_and_given_up(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dskity.handlers.route.attempt.CLEANUP_SECONDS", 0.05)

    async def stubborn(call: Call, message: Message, next: Next) -> Any:
        if message.payload == BAD:
            await swallow(message)
        return await next(call, message)

    async with empty_at_the_end() as (house, dead):

        async def handler(message: Message) -> None: ...

        await house.bus.subscribe("t", handler, timeout=0.05, retry=TWO, middleware=[stubborn])
        await house.bus.publish("t", BAD)
        await house.bus.publish("t", b"good")
        letter = await asyncio.wait_for(anext(dead), 10)
        assert letter.headers["dskity-attempts"] == "2"
        stats = house.dispatcher.routes[0].stats
        await until(lambda: stats.handled == 1, "the next of its key")
        assert stats.ignored == 2
    assert "stubborn) still runs 0.05 s after its time-out" in caplog.text


async def test_a_warning_of_a_held_loop_names_the_middleware_too(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be the one that holds it."""
    ticks = iter(range(1000))

    async def timing(call: Call, message: Message, next: Next) -> Any:
        return await next(call, message)

    async with memory_house() as house:

        async def handler(message: Message) -> None: ...

        house.bus.use(timing)
        await house.bus.subscribe("t", handler, middleware=[timing])
        with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
            clock = "dskity.handlers.route.handler_route.time.perf_counter"
            patch.setattr(clock, lambda: float(next(ticks)))
            await house.bus.publish("t", b"")
            await until(lambda: house.dispatcher.routes[0].stats.blocked, "the warning")
    name = "test_a_warning_of_a_held_loop_names_the_middleware_too"
    assert f"handler {name}.handler (with middleware {name}.timing, {name}.timing)" in caplog.text


async def test_what_runs_at_the_end_of_the_process_stays_with_the_broker() -> None:
    async def hangs(call: Call, message: Message, next: Next) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            await next(call, message)

    handled: list[Message] = []
    async with memory_house() as house:

        async def handler(message: Message) -> None:
            handled.append(message)

        await house.bus.subscribe("t", handler, middleware=[hangs])
        await house.bus.publish("t")
        await until(lambda: house.dispatcher._pool.running, "it runs")
        session = house.transport._session
        assert session is not None
        assert await asyncio.wait_for(house.dispatcher.close(0), 10) is False
        assert len(session.unacked) == 1
    assert len(handled) == 1


@pytest.fixture
def blocker() -> Iterator[Blocker]:
    it = Blocker()
    yield it
    it.opened.set()


async def in_a_task(call: Call, message: Message, next: Next) -> Any:
    """As `asyncio.wait_for` does before Python 3.12."""
    return await asyncio.create_task(anything(next(call, message)))


async def anything(awaitable: Any) -> Any:
    return await awaitable


async def test_a_thread_keeps_its_key_also_where_next_is_awaited_in_another_task(
    blocker: Blocker,
) -> None:
    """No retry and no later message of the key runs beside a thread past its time-out."""
    clock = VirtualClock()
    async with memory_house(clock=clock) as house:
        await house.bus.subscribe("t", blocker, timeout=5, retry=TWO, middleware=[in_a_task])
        for text in ("bad", "1"):
            await house.bus.publish("t", text)
        await until(lambda: blocker.inside, "it is in a thread")
        await pass_time(clock, 6)
        stats = house.dispatcher.routes[0].stats
        await until(lambda: stats.threads_overdue == 1, "it is overdue")
        await pass_time(clock, THREAD_PATIENCE / 2)
        assert (blocker.begun, stats.retried) == (["bad"], 0)
        blocker.opened.set()
        await until(lambda: blocker.ended == ["bad", "bad", "1"], "the retry, then the other")
        assert blocker.most == 1
        await is_empty(house)


async def test_a_middleware_that_gives_up_on_a_thread_leaves_it_the_key(blocker: Blocker) -> None:
    async def impatient(call: Call, message: Message, next: Next) -> Any:
        try:
            return await asyncio.wait_for(next(call, message), 0.05)
        except TimeoutError:
            return None

    async with memory_house() as house:
        await house.bus.subscribe("t", blocker, middleware=[impatient])
        for text in ("bad", "1"):
            await house.bus.publish("t", text)
        stats = house.dispatcher.routes[0].stats
        await until(lambda: stats.handled == 1, "the middleware has handled it")
        assert blocker.begun == ["bad"]
        blocker.opened.set()
        await until(lambda: blocker.ended == ["bad", "1"], "the next of its key, after the thread")
        assert blocker.most == 1
        await is_empty(house)


@pytest.mark.parametrize("first", ["one", "two"])
async def test_all_threads_that_a_middleware_began_keep_the_key(first: str) -> None:
    """Whichever of them ends first."""
    opened = {"one": threading.Event(), "two": threading.Event()}
    begun: list[str] = []
    ended: list[str] = []

    def handler(text: str) -> None:
        begun.append(text)
        if text in opened:
            opened[text].wait(20)
        ended.append(text)

    async def both(call: Call, message: Message, next: Next) -> Any:
        if message.payload != BAD:
            return await next(call, message)
        calls = (next(call, replace(message, payload=text.encode())) for text in opened)
        try:
            return await asyncio.wait_for(asyncio.gather(*calls), 0.2)
        except TimeoutError:
            return None

    async with memory_house() as house:
        await house.bus.subscribe("t", handler, middleware=[both])
        for text in ("bad", "1"):
            await house.bus.publish("t", text)
        try:
            stats = house.dispatcher.routes[0].stats
            await until(lambda: stats.handled == 1, "the middleware has handled it")
            opened[first].set()
            await until(lambda: ended == [first], "one thread has ended")
            await until(lambda: house.dispatcher.threads.overdue == 1, "that is known")
            for _ in range(20):
                await asyncio.sleep(0)
            assert "1" not in begun
        finally:
            for event in opened.values():
                event.set()
        await until(lambda: len(ended) == 3, "the next of its key, after both")
        assert ended[-1] == "1"
        await is_empty(house)
