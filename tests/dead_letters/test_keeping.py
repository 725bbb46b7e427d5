"""What arrives is kept, once, whatever happens; and nothing goes round."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.bus.bus import Bus
from dskity.bus.errors import StoreUnavailable
from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.bus.message import Message
from dskity.bus.middleware import Call, Next
from dskity.handlers import Dispatcher, Reject
from dskity.modules.dead_letters.letter import DeadLetter
from tests.dead_letters.post import ONCE, dead_letters, letter_of
from tests.house_bus import memory_house
from tests.waiting import until


async def test_what_a_handler_gives_up_on_is_kept_and_known_after_a_restart(
    tmp_path: Path,
) -> None:
    broker = MemoryBroker()

    async def fail(_: bytes) -> None:
        raise RuntimeError("no")

    async with memory_house(broker=broker) as house, dead_letters(house.bus, tmp_path) as post:
        await house.bus.subscribe("t", fail, retry=ONCE)
        await house.bus.publish("t", b"kept")
        before = await post.letters(1)
        assert before[0]["handler"].endswith("fail")
    async with memory_house(broker=broker) as house, dead_letters(house.bus, tmp_path) as post:
        assert await post.letters(1) == before


async def test_a_letter_is_kept_whatever_the_middleware_of_the_runtime_does() -> None:
    """One that rejects messages without a token rejects the letter of such a message too, and the
    message would be lost."""

    async def authorized(call: Call, message: Message, next: Next) -> Any:
        asked = call.filter.startswith("dskity/dead-letters/")
        if message.headers.get("token") != "secret" and not asked:
            raise Reject("no valid token")
        return await next(call, message)

    async def handle(_: bytes) -> None: ...

    async with memory_house() as house:
        house.bus.use(authorized)
        async with dead_letters(house.bus) as post:
            await house.bus.subscribe("t", handle)
            await house.bus.publish("t", b"1")
            (letter,) = await post.letters(1)
    assert letter["topic"] == "t"


async def test_a_redelivered_letter_is_kept_once() -> None:
    async with memory_house() as house, dead_letters(house.bus) as post:
        for _ in range(3):
            await house.bus.send(letter_of("t"))
        await house.bus.send(letter_of("u", at=2e9))
        assert len(await post.letters(2)) == 2
        assert post.module.store.added == 2


async def test_a_letter_is_acknowledged_only_when_it_is_on_the_disk(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A full disk is waited for: it says so once a minute, and nothing is lost or goes round."""
    caplog.set_level(logging.WARNING)
    clock = VirtualClock()
    async with (
        memory_house(clock=clock) as house,
        dead_letters(house.bus, clock=clock) as post,
        house.bus.stream("dskity/dead-letter/dskity/#") as again,
    ):
        full = Full(post.module.store.add)
        post.module.store.add = full  # type: ignore[method-assign]
        await house.bus.send(letter_of("t"))
        for _ in range(5):
            await clock.advance(10)
        assert full.refused > 3
        assert [r.message for r in caplog.records] == [
            "dead letters are not acknowledged: the disk is full"
        ]
        assert unacknowledged(house.transport) == 1
        full.is_full = False
        await clock.advance(30)
        await until(lambda: not unacknowledged(house.transport), "it is acknowledged")
        assert post.module.store.added == 1
        await house.bus.send(letter_of("dskity/end", b"end"))
        assert (await anext(again)).payload == b"end"


async def test_letters_wait_at_the_broker_for_a_runtime_that_was_killed(tmp_path: Path) -> None:
    """The session is persistent."""
    broker = MemoryBroker()
    transport = MemoryTransport(broker, "house")
    dispatcher = Dispatcher()
    bus = Bus(transport, dispatcher)
    await bus.start()
    async with dead_letters(bus, tmp_path):
        transport.kill()
    await dispatcher.close()
    await bus.close()
    broker.publish(letter_of("t"))
    async with (
        memory_house(broker=broker, hold=True) as house,
        dead_letters(house.bus, tmp_path) as post,
    ):
        house.bus.open()
        assert [entry["topic"] for entry in await post.letters(1)] == ["t"]


async def test_what_another_program_puts_there_is_kept_too() -> None:
    """Without any of our headers."""
    async with memory_house() as house, dead_letters(house.bus) as post:
        await house.bus.publish("dskity/dead-letter/a/b", b"x")
        [entry] = await post.letters(1)
        assert (entry["topic"], entry["time"], entry["handler"]) == ("a/b", None, "")


async def test_a_handler_that_fails_on_a_dead_letter_makes_no_other_one() -> None:
    """It would get that one too, and so on for ever."""
    async with memory_house() as house, house.bus.stream("dskity/dead-letter/#") as seen:

        async def alarm(_: Message) -> None:
            raise RuntimeError("no siren")

        await house.bus.subscribe("dskity/dead-letter/#", alarm, retry=ONCE)
        await house.bus.send(letter_of("t"))
        [route] = house.dispatcher.routes
        await until(lambda: route.stats.dropped, "it is dropped")
        await house.bus.send(letter_of("end"))
        topics = [(await anext(seen)).topic for _ in range(2)]
        assert topics == ["dskity/dead-letter/t", "dskity/dead-letter/end"]
        assert route.stats.dead_lettered == 0


class Full:
    """`add` of a store whose disk is full."""

    def __init__(self, add: Callable[[DeadLetter], Any]) -> None:
        self.is_full = True
        self.refused = 0
        self._add = add

    async def __call__(self, letter: DeadLetter) -> Any:
        if self.is_full:
            self.refused += 1
            raise StoreUnavailable("the disk is full")
        return await self._add(letter)


def unacknowledged(transport: MemoryTransport) -> int:
    assert transport._session is not None
    return len(transport._session.unacked)
