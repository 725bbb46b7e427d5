"""The inbox under strain: what is large, slow, refused or of the same name."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.bus.bus import Bus
from dskity.bus.errors import BrokerRefused
from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.bus.message import Message
from dskity.bus.store.spool import Bounds, Spool
from dskity.handlers import Dispatcher, RetryPolicy
from tests.handlers.stored.test_stored_and_dedupe import on_disk, unacked
from tests.waiting import until

ONCE = RetryPolicy(attempts=1)


async def test_a_message_larger_than_the_inbox_is_handled_in_its_turn(tmp_path: Path) -> None:
    clock = VirtualClock()
    bounds = Bounds(bytes=1_000)
    async with on_disk(MemoryBroker(), tmp_path, bounds=bounds, clock=clock) as (
        bus, _, transport, inbox,
    ):  # fmt: skip
        handled: list[int] = []

        async def handler(payload: bytes) -> None:
            handled.append(len(payload))

        await bus.subscribe("t", handler, ack="stored")
        for size in (10, 5_000, 20, 6_000):
            await bus.publish("t", bytes(size))
        async with asyncio.timeout(10):
            while len(handled) < 4 or unacked(transport):
                await clock.advance(1)
                await asyncio.sleep(0.002)  # the thread that writes
        assert handled == [10, 5_000, 20, 6_000]
        await until(lambda: inbox.messages == 0, "the inbox empty")


async def test_messages_that_come_as_retained_are_all_kept(tmp_path: Path) -> None:
    """A broker may mark so what it had queued for us: they are events all the same."""
    async with on_disk(MemoryBroker(), tmp_path) as (bus, _, transport, _inbox):
        gate = asyncio.Event()
        handled: list[int] = []

        async def slow(number: int) -> None:
            await gate.wait()
            handled.append(number)

        await bus.subscribe("t", slow, ack="stored", as_published=True)
        for number in range(5):
            await bus.publish("t", number, retain=True)
        await until(lambda: unacked(transport) == 0, "all acknowledged")
        gate.set()
        await until(lambda: len(handled) == 5, "all of them")
        assert handled == list(range(5))


async def test_the_broker_s_redelivery_flag_is_shown_by_way_of_the_inbox_too(
    tmp_path: Path,
) -> None:
    async with on_disk(MemoryBroker(), tmp_path) as (bus, _, transport, _inbox):
        seen: list[tuple[bytes, bool]] = []

        async def handler(message: Message) -> None:
            seen.append((message.payload, message.duplicate))

        acknowledge = transport._acknowledge
        transport._acknowledge = lambda *_: None  # type: ignore[method-assign]
        await bus.subscribe("t", handler, ack="stored")
        await bus.publish("t", b"1")
        await until(lambda: seen, "it")
        transport._acknowledge = acknowledge  # type: ignore[method-assign]
        transport.cut()
        await until(lambda: len(seen) == 2, "it again")
        assert seen == [(b"1", False), (b"1", True)]


def make(handled: list[tuple[str, int]], name: str) -> Callable[[int], Any]:
    async def handler(number: int) -> None:
        handled.append((name, number))

    return handler


async def test_two_handlers_of_one_name_on_one_filter_have_a_lane_each(tmp_path: Path) -> None:
    broker = MemoryBroker()
    handled: list[tuple[str, int]] = []
    both = [(name, number) for name in ("a", "b") for number in range(3)]
    async with on_disk(broker, tmp_path) as (bus, _, transport, inbox):
        for name in ("a", "b"):
            await bus.subscribe("t", make(handled, name), ack="stored")
        for number in range(3):
            await bus.publish("t", number)
        await until(lambda: len(handled) >= 6 and inbox.messages == 0, "all, twice")
        assert sorted(handled) == both
        assert unacked(transport) == 0


async def test_slow_stored_routes_leave_the_wire_open_for_others(tmp_path: Path) -> None:
    """What waits on the disk counts there, not between the wire and the handlers."""
    inbox = Spool(tmp_path / "inbox.db", what="the inbox")
    await inbox.open()
    dispatcher = Dispatcher(max_in_flight=20, inbox=inbox)
    bus = Bus(MemoryTransport(MemoryBroker(), "house"), dispatcher)
    await bus.start()
    quick: list[int] = []

    async def stuck(message: Message) -> None:
        await asyncio.Event().wait()

    async def handler(number: int) -> None:
        quick.append(number)

    await bus.subscribe("stuck/+", stuck, ack="stored", timeout=None)
    await bus.subscribe("quick", handler)
    for number in range(200):
        await bus.publish(f"stuck/{number}", b"")
    await until(lambda: inbox.messages == 200, "all stored")
    for number in range(200):
        await bus.publish("quick", number)
    await until(lambda: len(quick) == 200, "the quick ones")
    assert not dispatcher.in_flight.paused
    await dispatcher.close()
    await bus.close()
    await inbox.close()


async def test_large_messages_are_read_from_the_inbox_a_few_at_a_time(tmp_path: Path) -> None:
    async with on_disk(MemoryBroker(), tmp_path) as (bus, dispatcher, transport, inbox):
        gate = asyncio.Event()
        running, most, ended = 0, 0, 0

        async def slow(payload: bytes) -> None:
            nonlocal running, most, ended
            running += 1
            most = max(most, running)
            await gate.wait()
            running -= 1
            ended += 1

        await bus.subscribe("t/+", slow, ack="stored", timeout=None)
        for number in range(40):
            await bus.publish(f"t/{number}", bytes(1_000_000))
        await until(lambda: inbox.messages == 40 and not unacked(transport), "all stored")
        await inbox.page(0, 1)
        assert dispatcher.routes[0]._open < 20
        gate.set()
        await until(lambda: ended == 40, "all of them")
        assert most < 20


async def test_a_subscription_that_is_refused_leaves_nothing_running(tmp_path: Path) -> None:
    class Strict(MemoryTransport):
        async def subscribe(self, filter: str, *terms: Any, **more: Any) -> None:
            if filter == "secret":
                raise BrokerRefused("not authorized", 0x87)
            await super().subscribe(filter, *terms, **more)

    async with on_disk(MemoryBroker(), tmp_path) as (_, dispatcher, _transport, _inbox):
        bus = Bus(Strict(MemoryBroker(), "strict"), dispatcher)
        await bus.start()

        async def handler(message: Message) -> None: ...

        before = asyncio.all_tasks()
        for ack in ("handled", "stored"):
            with pytest.raises(BrokerRefused):
                await bus.subscribe("secret", handler, ack=ack)
        assert dispatcher.routes == ()
        assert asyncio.all_tasks() == before
        await bus.close()


async def test_a_drain_ends_also_where_the_disk_takes_nothing(tmp_path: Path) -> None:
    async with on_disk(MemoryBroker(), tmp_path) as (bus, dispatcher, _, inbox):
        gate, began = asyncio.Event(), asyncio.Event()

        async def handler(message: Message) -> None:
            began.set()
            await gate.wait()

        subscription = await bus.subscribe("t", handler, ack="stored")
        await bus.publish("t", b"")
        await began.wait()

        def only_read(connection: sqlite3.Connection) -> None:
            connection.execute("PRAGMA query_only = ON")

        await inbox._database.run(only_read)
        gate.set()
        async with asyncio.timeout(5):
            await subscription.cancel()
        assert dispatcher.routes == ()


async def test_a_flood_of_qos_0_into_a_stored_route_waits_at_the_bound(tmp_path: Path) -> None:
    inbox = Spool(tmp_path / "inbox.db", what="the inbox", bounds=Bounds(messages=1))
    await inbox.open()
    dispatcher = Dispatcher(max_in_flight=10, overload="drop_oldest", inbox=inbox)
    transport = MemoryTransport(MemoryBroker(), "house")
    bus = Bus(transport, dispatcher, clock=VirtualClock())
    await bus.start()

    async def stuck(message: Message) -> None:
        await asyncio.Event().wait()

    await bus.subscribe("t", stuck, ack="stored", timeout=None)
    for number in range(100):
        await bus.publish("t", number, qos=0)
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert dispatcher.in_flight.paused
    assert dispatcher.in_flight.messages <= 11
    await dispatcher.close()
    await bus.close()
    await inbox.close()


async def test_messages_whose_handler_has_gone_are_told_and_kept_for_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = MemoryBroker()
    handled: list[int] = []

    async def stuck(number: int) -> None:
        await asyncio.Event().wait()

    async with on_disk(broker, tmp_path) as (bus, _, transport, _inbox):
        await bus.subscribe("t", stuck, ack="stored", timeout=None)
        for number in range(3):
            await bus.publish("t", number)
        await until(lambda: unacked(transport) == 0, "all acknowledged")

    async def renamed(number: int) -> None: ...

    async with on_disk(broker, tmp_path) as (bus, dispatcher, _, inbox):
        await bus.subscribe("t", renamed, ack="stored")
        await dispatcher.tell_of_strays()
        assert any("has 3 messages" in record.message for record in caplog.records)
        assert inbox.messages == 3

    async def back(number: int) -> None:
        handled.append(number)

    back.__qualname__ = stuck.__qualname__
    caplog.clear()
    async with on_disk(broker, tmp_path) as (bus, dispatcher, _, inbox):
        await bus.subscribe("t", back, ack="stored")
        await dispatcher.tell_of_strays()
        assert not caplog.records
        await until(lambda: handled == [0, 1, 2], "all of them")
