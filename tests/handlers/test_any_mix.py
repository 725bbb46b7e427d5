"""Any mix of misbehaving handlers, at any attempts, concurrency and order, ends."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dskity.bus.base.clock import SYSTEM_CLOCK
from dskity.bus.memory import MemoryBroker
from dskity.bus.message import Message
from dskity.handlers import Dedupe, Drop, Reject, Retry, RetryPolicy
from tests.handlers.stored.test_stored_and_dedupe import on_disk
from tests.handlers.test_base_exceptions import MAKERS, own_cancellation
from tests.handlers.test_ignored_cancellations import swallow
from tests.waiting import until

MESSAGES = 120
Deed = Callable[[Message], Awaitable[None]]


def raises(maker: Callable[[], BaseException]) -> Deed:
    async def deed(message: Message) -> None:
        for _ in range(len(message.payload) % 3):
            await asyncio.sleep(0)
        raise maker()

    return deed


async def succeeds(message: Message) -> None:
    for _ in range(len(message.payload) % 3):
        await asyncio.sleep(0)


async def cancels_itself_and_returns(message: Message) -> None:
    await succeeds(message)
    own_cancellation()


async def has_its_worker_cancelled_later(message: Message) -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().call_later(0.001, task.cancel)
    await succeeds(message)


async def is_too_slow(message: Message) -> None:
    await asyncio.Event().wait()


async def awaits_what_exits(message: Message) -> None:
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_exception, GeneratorExit())
    await future


DEEDS: list[Deed] = [
    *map(raises, MAKERS.values()),
    raises(Drop),
    raises(Reject),
    raises(lambda: Retry(after=0)),
    *[succeeds] * 8,
    cancels_itself_and_returns,
    has_its_worker_cancelled_later,
    is_too_slow,
    awaits_what_exits,
    swallow,
]


@dataclass
class Plan:
    """What each attempt at each message does, and how often it was begun."""

    chance: random.Random
    running: Counter[str] = field(default_factory=Counter)
    at_once: int = 0

    async def handler(self, message: Message) -> None:
        await self.chance.choice(DEEDS)(message)

    def plain(self, message: Message) -> None:
        with LOCK:
            self.running[message.topic] += 1
            self.at_once = max(self.at_once, self.running[message.topic])
            deed = self.chance.randrange(6)
        try:
            if deed == 0:
                threading.Event().wait(0.15)  # past its time-out
            if deed == 1:
                raise SystemExit
            if deed == 2:
                raise KeyboardInterrupt
        finally:
            with LOCK:
                self.running[message.topic] -= 1


LOCK = threading.Lock()


def words(chance: random.Random) -> dict[str, Any]:
    return {
        "retry": RetryPolicy(attempts=chance.randint(1, 4), backoff=chance.choice([0, 0.001])),
        "concurrency": chance.choice([1, 2, 5, 64]),
        "order_by": chance.choice(["topic", None, "key"]),
        "timeout": 0.05,
        "ack": chance.choice(["handled", "handled", "stored"]),
        "dedupe": chance.choice([None, None, Dedupe(lambda message: message.text())]),
        "dead_letter": chance.random() < 0.8,
    }


@pytest.mark.parametrize("seed", range(12))
async def test_every_message_is_handled_dropped_or_dead_lettered_and_every_place_comes_back(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dskity.handlers.route.attempt.CLEANUP_SECONDS", 0.02)
    chance = random.Random(seed)
    plan = Plan(chance)
    async with on_disk(MemoryBroker(), tmp_path, clock=SYSTEM_CLOCK) as made:
        bus, dispatcher, transport, inbox = made
        bus.threads.size = chance.choice([1, 3, 40])
        for number in range(3):
            await bus.subscribe(f"async/{number}/{{key}}", plan.handler, **words(chance))
        # by topic: `at_once` is by topic too
        await bus.subscribe("plain/{key}", plan.plain, **words(chance) | {"order_by": "topic"})
        filters = ["async/0", "async/1", "async/2", "plain"]
        for number in range(MESSAGES):
            topic = f"{chance.choice(filters)}/{chance.randrange(4)}"
            await bus.publish(topic, "x" * chance.randrange(4) + str(number))
        session = transport._session
        assert session is not None
        routes = dispatcher.routes

        def over() -> int:
            stats = [route.stats for route in routes]
            return sum(s.handled + s.dropped + s.dead_lettered + s.duplicates for s in stats)

        await until(lambda: over() == MESSAGES, "all have an end", within=20)
        await until(lambda: inbox.messages == 0, "the inbox is empty")
        await until(lambda: not session.unacked, "all are acknowledged")
        for route in routes:
            await until(lambda route=route: not route._serializer.busy, "the lanes are empty")  # type: ignore[misc]
            assert (route._open, dict(route._serializer.blocked)) == (0, {})
        assert (dispatcher.in_flight.messages, dispatcher.in_flight.bytes) == (0, 0)
        assert dispatcher._pool.running == {}
        assert plan.at_once <= 1
        assert over() == MESSAGES

        alive: list[bytes] = []

        async def after(message: Message) -> None:
            alive.append(message.payload)

        await bus.subscribe("after", after)
        await bus.publish("after", b"all")
        await until(lambda: alive == [b"all"], "the crew goes on")
