"""A message that ends each connection it is sent on is found, and holds up nobody: also where the
broker takes no connection for a quarantine."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.bus.bus import Bus
from dskity.bus.errors import NotConnected
from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.bus.message import Message
from dskity.bus.store import poison as suspects_file
from dskity.bus.store.outbox import Outbox
from dskity.bus.store.poison import PoisonDetector
from dskity.handlers import Dispatcher
from tests.house_bus import memory_house
from tests.waiting import until

POISON = b"poison"


class HangsUp(MemoryTransport):
    """Its broker closes the connection on what it does not take, and on all that is on its way."""

    def __init__(self, broker: MemoryBroker) -> None:
        super().__init__(broker, "sender")
        self.hung_up = 0
        self.deaf = False

    async def publish_apart(self, messages: Sequence[Message]) -> list[Exception | None]:
        """It takes one connection of each of us, and no more."""
        raise NotConnected("refused")

    async def publish(self, message: Message) -> bool | None:
        if self._session is None:
            raise NotConnected("cut")
        connection = self.hung_up
        await asyncio.sleep(0)  # all of a page are on their way
        if connection == self.hung_up and (self.deaf or message.payload == POISON):
            self.hung_up += 1
            self.cut()
        await asyncio.sleep(0)
        if connection != self.hung_up:
            raise NotConnected("cut")
        return await super().publish(message)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Endings are counted; how long they take is another matter."""
    monkeypatch.setattr(suspects_file, "PATIENCE", 0.0)


@asynccontextmanager
async def sending(
    path: Path, clock: VirtualClock
) -> AsyncIterator[tuple[Bus, Outbox, HangsUp, list[bytes]]]:
    """A bus to such a broker, its outbox, and what has arrived at a listener."""
    broker = MemoryBroker()
    transport = HangsUp(broker)
    outbox = Outbox(path / "outbox.db", clock=clock)
    bus = Bus(transport, Dispatcher(), outbox=outbox, clock=clock)
    seen: list[bytes] = []

    async def handler(message: Message) -> None:
        seen.append(message.payload)

    async with memory_house(broker=broker, client_id="listener") as house:
        await house.bus.subscribe("t", handler)
        await bus.start()
        try:
            yield bus, outbox, transport, seen
        finally:
            await bus.close()


async def advance_until(clock: VirtualClock, outbox: Outbox) -> None:
    """Let the pauses of the outbox pass until nothing waits in it."""
    for _ in range(100):
        await clock.advance(1)
        for _ in range(20):
            await outbox.spool.page(0, 1)  # the file's own turn
        if outbox.empty:
            return
    raise AssertionError("the outbox does not empty")


async def test_all_others_arrive_in_order_and_it_is_kept_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is in front of it and behind it; an error names the topic and the size."""
    clock = VirtualClock()
    async with sending(tmp_path, clock) as (bus, outbox, transport, seen):
        transport.deaf = True
        numbers = [b"%d" % number for number in range(20)]
        for payload in (*numbers[:10], POISON, *numbers[10:]):
            await bus.publish("t", payload)
        transport.deaf = False
        with caplog.at_level(logging.ERROR):
            await advance_until(clock, outbox)
        await until(lambda: len(seen) == 20, "all others")
        assert seen == numbers
        [(stored, reason)] = await outbox.spool.refused()
        assert (stored.message.payload, outbox.refused) == (POISON, 1)
        assert "closes the connection each time" in reason
    assert "a message of t (6 bytes) aside" in caplog.text
    async with sending(tmp_path, clock) as (_, outbox, _, _):
        assert len(await outbox.spool.refused()) == 1, "proved guilty, it is not tried again"


async def test_alone_it_ends_five_connections_and_no_more(tmp_path: Path) -> None:
    """With what it ended when it was published: that one was not the outbox's."""
    clock = VirtualClock()
    async with sending(tmp_path, clock) as (bus, outbox, transport, _):
        assert (await bus.publish("t", POISON)).accepted == "outbox"
        await advance_until(clock, outbox)
        assert transport.hung_up <= 6
        assert [stored.message.payload for stored, _ in await outbox.spool.refused()] == [POISON]
        assert (await bus.publish("t", b"on")).accepted == "broker"
    async with sending(tmp_path, clock) as (_, outbox, _, _):
        assert outbox.spool.messages == 1, "it may have been the network"


async def test_what_expires_is_no_proof_that_others_pass(tmp_path: Path) -> None:
    """It is never sent. Where nothing passes it may be the network, and all is tried again."""
    clock = VirtualClock()
    async with sending(tmp_path, clock) as (bus, outbox, transport, _):
        transport.deaf = True
        await bus.publish("t", b"innocent")
        await bus.publish("t", b"late", expires_in=3)
        await advance_until(clock, outbox)
        assert (outbox.expired, outbox.refused) == (1, 1)
    async with sending(tmp_path, clock) as (_, outbox, _, seen):
        await until(lambda: seen == [b"innocent"], "it")


def pages(suspects: PoisonDetector, page: list[int]) -> None:
    """Two connections end, and the first of the page has not passed."""
    for _ in range(2):
        assert suspects.pick(page) == page
        assert not suspects.ended(page, 0.0)


def test_another_one_that_passes_proves_it() -> None:
    """After that it has one more connection to show that it was the network."""
    suspects = PoisonDetector()
    pages(suspects, [1, 2, 3])
    for id in (1, 1, 1, 2, 2):
        assert suspects.pick([1, 2, 3]) == (id,)
        assert not suspects.ended([id], 0.0)
    suspects.passed([2])
    assert suspects.pick([1, 3]) == (1,)
    assert suspects.ended([1], 0.0)


def test_a_bad_network_makes_nobody_guilty() -> None:
    """It ends what is alone, and another one, until either passes."""
    suspects = PoisonDetector()
    pages(suspects, [1, 2, 3])
    for id in (1, 1, 1, 2, 2, 2, 3, 3):
        assert suspects.pick([1, 2, 3]) == (id,)
        assert not suspects.ended([id], 0.0)
    suspects.passed([3])
    for id in (1, 2):
        waiting = list(range(id, 3))
        assert suspects.pick(waiting) == (id,)
        suspects.passed([id])
    assert suspects.pick([4, 5]) == [4, 5]


def test_a_page_that_gets_on_is_not_taken_apart() -> None:
    """Each connection ends, but another message is in front by then."""
    suspects = PoisonDetector()
    for first in range(1, 10):
        page = list(range(first, 10))
        if len(page) > 1:
            assert suspects.pick(page) == page
            assert not suspects.ended(page, 0.0)


def test_nobody_is_guilty_within_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that is killed over and over ends connections, whatever is on them."""
    monkeypatch.setattr(suspects_file, "PATIENCE", 60.0)
    suspects = PoisonDetector()
    pages(suspects, [1, 2])
    for second in range(20):
        assert not suspects.ended([1], second)
    suspects.passed([2])
    assert not suspects.ended([1], 30.0)
    suspects.passed([3])
    assert suspects.pick([1, 4]) == (1,), "it is still under suspicion"
    assert suspects.ended([1], 60.0)
