"""Whose keys are whose: `dedupe` between handlers, connections and failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from dskity.bus.bus import Bus
from dskity.bus.errors import StoreUnavailable
from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.bus.message import Message
from dskity.bus.store.dedup_store import DedupStore
from dskity.handlers import Dedupe, Dispatcher, RetryPolicy
from tests.waiting import until

BY_PAYLOAD = Dedupe(lambda message: message.payload.decode())


@asynccontextmanager
async def two_connections(seen: DedupStore | None = None) -> AsyncIterator[tuple[Bus, Bus]]:
    """As a runtime has them: a dispatcher each, and one record of keys."""
    seen = seen or DedupStore(None, what="the seen keys", keep=86_400)
    await seen.open()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(seen.close)
        buses = []
        for name in ("one", "two"):
            dispatcher = Dispatcher(seen=seen)
            bus = Bus(MemoryTransport(MemoryBroker(), name), dispatcher)
            await bus.start()
            stack.push_async_callback(bus.close)
            stack.push_async_callback(dispatcher.close)
            buses.append(bus)
        yield buses[0], buses[1]


def stats(bus: Bus) -> tuple[int, int]:
    """How many were handled, and how many were duplicates."""
    dispatcher = bus._dispatcher
    assert isinstance(dispatcher, Dispatcher)
    routes = dispatcher.routes
    return sum(r.stats.handled for r in routes), sum(r.stats.duplicates for r in routes)


async def test_a_key_that_comes_from_two_brokers_at_once_is_handled_once() -> None:
    async with two_connections() as (one, two):
        began, gate = asyncio.Event(), asyncio.Event()
        handled: list[str] = []

        async def handler(text: str) -> None:
            began.set()
            handled.append(text)
            await gate.wait()

        for bus in (one, two):
            await bus.subscribe("t", handler, dedupe=BY_PAYLOAD)
        await one.publish("t", "same")
        await began.wait()
        await two.publish("t", "same")
        await two.publish("t", "other")
        await asyncio.sleep(0)
        gate.set()
        await until(lambda: stats(one) == (1, 0) and stats(two) == (1, 1), "all ended")
        assert handled == ["same", "other"]


async def test_where_the_first_of_a_key_fails_the_second_is_handled() -> None:
    async with two_connections() as (one, two):
        began, gate = asyncio.Event(), asyncio.Event()
        handled: list[str] = []

        async def handler(text: str, bus: Bus) -> None:
            if bus.client_id == "one":
                began.set()
                await gate.wait()
                raise ValueError("no")
            handled.append(text)

        for bus in (one, two):
            await bus.subscribe(
                "t", handler, dedupe=BY_PAYLOAD, retry=RetryPolicy(attempts=1), dead_letter=False
            )
        await one.publish("t", "same")
        await began.wait()
        await two.publish("t", "same")
        gate.set()
        await until(lambda: handled == ["same"], "the second one")


async def test_two_handlers_on_one_filter_both_get_each_key_once() -> None:
    async with two_connections() as (bus, _):
        handled: list[tuple[str, str]] = []

        def make(name: str) -> object:
            async def handler(text: str) -> None:
                handled.append((name, text))

            return handler

        async def other(text: str) -> None:
            handled.append(("other", text))

        for each in (make("a"), make("b"), other):
            await bus.subscribe("t", each, dedupe=BY_PAYLOAD)  # type: ignore[arg-type]
        for _ in range(2):
            await bus.publish("t", "x")
        await until(lambda: stats(bus) == (3, 3), "all ended")
        assert sorted(handled) == [("a", "x"), ("b", "x"), ("other", "x")]


async def test_a_message_that_was_handled_is_not_handled_again_for_want_of_a_note() -> None:
    class Forgetful(DedupStore):
        async def add(self, scope: str, key: str) -> None:
            raise StoreUnavailable("the disk is full")

    seen = Forgetful(None, what="the seen keys", keep=86_400)
    async with two_connections(seen) as (bus, _), bus.stream("dskity/dead-letter/#") as dead:
        handled: list[str] = []

        async def handler(text: str) -> None:
            handled.append(text)

        await bus.subscribe("t", handler, dedupe=BY_PAYLOAD, retry=RetryPolicy(backoff=0))
        for text in ("1", "2"):
            await bus.publish("t", text)
        await until(lambda: stats(bus) == (2, 0), "both")
        assert handled == ["1", "2"]
        assert not dead._messages


async def test_many_of_one_key_wait_without_piling_up() -> None:
    async with two_connections() as (one, two):
        handled: list[str] = []

        async def handler(device: str, message: Message) -> None:
            await asyncio.sleep(0)
            handled.append(device)

        for bus in (one, two):
            await bus.subscribe("t/{device}", handler, dedupe=BY_PAYLOAD, concurrency=500)
            for number in range(500):
                await bus.publish(f"t/{number}", "same")
        await until(lambda: sum(stats(one) + stats(two)) == 1_000, "all ended")
        assert len(handled) == 1
