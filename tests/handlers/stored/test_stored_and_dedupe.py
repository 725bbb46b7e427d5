"""`ack="stored"` and `dedupe`: what the disk adds to the contract."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.bus.bus import Bus
from dskity.bus.errors import InvalidHandler, Unsupported
from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.bus.message import Message
from dskity.bus.store.dedup_store import DedupStore
from dskity.bus.store.spool import Bounds, Spool
from dskity.handlers import Dedupe, Dispatcher, RetryPolicy
from tests.house_bus import memory_house
from tests.waiting import until


@asynccontextmanager
async def on_disk(
    broker: MemoryBroker, path: Path, *, bounds: Bounds | None = None, clock: Any = None
) -> AsyncIterator[tuple[Bus, Dispatcher, MemoryTransport, Spool]]:
    clock = clock or VirtualClock()
    inbox = Spool(path / "inbox.db", what="the inbox", bounds=bounds)
    seen = DedupStore(path / "seen.db", what="the seen keys", keep=86_400, clock=clock)
    await inbox.open()
    await seen.open()
    dispatcher = Dispatcher(inbox=inbox, seen=seen)
    transport = MemoryTransport(broker, "house")
    bus = Bus(transport, dispatcher, clock=clock)
    await bus.start()
    try:
        yield bus, dispatcher, transport, inbox
    finally:
        await dispatcher.close()
        await bus.close()
        await inbox.close()
        await seen.close()


def unacked(transport: MemoryTransport) -> int:
    session = transport._session
    assert session is not None
    return len(session.unacked) + len(session.waiting["intake"])


async def test_a_stored_message_is_acknowledged_before_its_slow_handler_ends(
    tmp_path: Path,
) -> None:
    async with on_disk(MemoryBroker(), tmp_path) as (bus, _, transport, inbox):
        gate = asyncio.Event()
        handled: list[int] = []

        async def slow(number: int) -> None:
            await gate.wait()
            handled.append(number)

        await bus.subscribe("t", slow, ack="stored")
        for number in range(300):
            await bus.publish("t", number)
        await until(lambda: unacked(transport) == 0, "all acknowledged")
        assert handled == []
        gate.set()
        await until(lambda: len(handled) == 300, "all handled")
        assert handled == list(range(300))
        await until(lambda: inbox.messages == 0, "the inbox empty")


async def test_a_stored_message_keeps_all_its_fields(tmp_path: Path) -> None:
    """A handler that takes it from the disk sees what one that takes it from the wire sees."""
    async with on_disk(MemoryBroker(), tmp_path) as (bus, _, _, _):
        seen: dict[str, Message] = {}

        async def from_the_wire(message: Message) -> None:
            seen["handled"] = message

        async def from_the_disk(message: Message) -> None:
            seen["stored"] = message

        await bus.subscribe("t/#", from_the_wire)
        await bus.subscribe("t/+", from_the_disk, ack="stored")
        headers = {"a": "b", "c": "ä"}
        sent = Message("t/a", b"\x00x", 1, False, "text/x", headers, "answers/a", b"\xff\x00", 60)
        await bus.send(sent)
        await until(lambda: len(seen) == 2, "both")
        for message in seen.values():
            assert message.expires_in == pytest.approx(60, abs=5)
            assert replace(message, expires_in=60) == sent


async def test_what_was_stored_and_not_handled_is_handled_at_the_next_start(
    tmp_path: Path,
) -> None:
    broker = MemoryBroker()

    async def stuck(number: int) -> None:
        await asyncio.Event().wait()

    async with on_disk(broker, tmp_path) as (bus, _, transport, _inbox):
        await bus.subscribe("t/{device}", stuck, ack="stored", timeout=None)
        for number in range(5):
            await bus.publish("t/a", number, headers={"n": str(number)})
        await until(lambda: unacked(transport) == 0, "all acknowledged")
    seen: list[tuple[str, Message]] = []
    async with on_disk(broker, tmp_path) as (bus, _, _transport, inbox):

        async def stuck(device: str, message: Message) -> None:  # type: ignore[misc]  # reads more
            seen.append((device, message))

        await bus.subscribe("t/{device}", stuck, ack="stored")
        await until(lambda: len(seen) == 5, "all of them")
        assert [(d, m.json(), m.duplicate, m.headers["n"]) for d, m in seen] == [
            ("a", number, True, str(number)) for number in range(5)
        ]
        await until(lambda: inbox.messages == 0, "the inbox empty")


async def test_a_full_inbox_leaves_the_rest_with_the_broker(tmp_path: Path) -> None:
    clock = VirtualClock()
    bounds = Bounds(messages=2)
    async with on_disk(MemoryBroker(), tmp_path, bounds=bounds, clock=clock) as (
        bus, _, transport, inbox,
    ):  # fmt: skip
        gate = asyncio.Event()
        handled: list[int] = []

        async def slow(number: int) -> None:
            await gate.wait()
            handled.append(number)

        await bus.subscribe("t", slow, ack="stored")
        for number in range(2):
            await bus.publish("t", number)
        await until(lambda: inbox.messages == 2, "the inbox full")
        await bus.publish("t", 2)
        await until(lambda: clock._sleepers, "the pause before another try")
        assert unacked(transport) == 1
        gate.set()
        await until(lambda: len(handled) == 2, "the first two")
        await until(lambda: inbox.messages == 0, "room")
        await clock.advance(1)
        await until(lambda: handled == [0, 1, 2], "the third one")


async def test_a_burst_larger_than_the_inbox_goes_through_it_in_parts(tmp_path: Path) -> None:
    clock = VirtualClock()
    handled: list[int] = []
    async with on_disk(MemoryBroker(), tmp_path, bounds=Bounds(messages=2), clock=clock) as (
        bus, _, transport, _inbox,
    ):  # fmt: skip

        async def handler(number: int) -> None:
            handled.append(number)

        await bus.subscribe("t", handler, ack="stored")
        for number in range(5):
            await bus.publish("t", number)
        async with asyncio.timeout(10):
            while unacked(transport) or len(handled) < 5:
                await clock.advance(1)
                await asyncio.sleep(0.002)  # the thread that writes
    assert handled == [0, 1, 2, 3, 4]


async def test_what_has_arrived_is_stored_and_acknowledged_before_a_cancel_returns(
    tmp_path: Path,
) -> None:
    async with on_disk(MemoryBroker(), tmp_path) as (bus, dispatcher, transport, inbox):

        async def handler(message: Message) -> None: ...

        subscription = await bus.subscribe("t", handler, ack="stored")
        for number in range(5):
            await bus.publish("t", number)
        await asyncio.sleep(0)  # they are ours, and not on the disk yet
        await subscription.cancel()
        assert (unacked(transport), dispatcher.in_flight.messages) == (0, 0)
        assert inbox.messages == 5


async def test_the_grace_ends_also_where_a_stored_route_is_closed_in_it(tmp_path: Path) -> None:
    async with on_disk(MemoryBroker(), tmp_path) as (bus, dispatcher, _, _inbox):
        began = asyncio.Event()

        async def stuck(message: Message) -> None:
            began.set()
            await asyncio.Event().wait()

        async def stored(message: Message) -> None: ...

        await bus.subscribe("stuck", stuck, timeout=None)
        await bus.subscribe("stored", stored, ack="stored")
        await bus.publish("stuck", 1)
        await began.wait()
        async with asyncio.timeout(5):
            assert not await dispatcher.close(0)


async def test_a_message_of_a_key_is_handled_once_also_across_restarts(tmp_path: Path) -> None:
    broker = MemoryBroker()
    handled: list[int] = []

    async def handler(order: dict[str, int]) -> None:
        handled.append(order["id"])

    for _ in range(2):
        async with on_disk(broker, tmp_path) as (bus, dispatcher, transport, _inbox):
            await bus.subscribe("t", handler, dedupe=Dedupe("id", window=60))
            for number in (1, 2, 1, 2):
                await bus.publish("t", {"id": number})
            await until(lambda: unacked(transport) == 0, "all acknowledged")
            stats = dispatcher.routes[0].stats
            assert stats.handled + stats.duplicates == 4
    assert sorted(handled) == [1, 2]


async def test_a_key_may_come_again_after_its_window(tmp_path: Path) -> None:
    clock = VirtualClock()
    handled: list[str] = []
    async with on_disk(MemoryBroker(), tmp_path, clock=clock) as (bus, dispatcher, _, _inbox):

        async def handler(message: Message) -> None:
            handled.append(message.headers["ce-id"])

        await bus.subscribe("t", handler, dedupe=Dedupe("header:ce-id", window=60))
        for _ in range(2):
            await bus.publish("t", b"", headers={"ce-id": "a"})
        await until(lambda: dispatcher.routes[0].stats.duplicates == 1, "the duplicate")
        await clock.advance(61)
        await bus.publish("t", b"", headers={"ce-id": "a"})
        await until(lambda: handled == ["a", "a"], "it again")


async def test_two_of_one_key_at_the_same_time_are_handled_once(tmp_path: Path) -> None:
    async with on_disk(MemoryBroker(), tmp_path) as (bus, dispatcher, transport, _inbox):
        gate = asyncio.Event()
        handled: list[str] = []

        async def handler(text: str) -> None:
            await gate.wait()
            handled.append(text)

        dedupe = Dedupe(lambda message: message.payload.decode())
        await bus.subscribe("t/+", handler, dedupe=dedupe)
        for topic in ("t/a", "t/b", "t/c"):
            await bus.publish(topic, "same")
        gate.set()
        await until(lambda: unacked(transport) == 0, "all acknowledged")
        assert handled == ["same"]
        assert dispatcher.routes[0].stats.duplicates == 2


async def test_a_failed_message_is_not_remembered(tmp_path: Path) -> None:
    async with on_disk(MemoryBroker(), tmp_path) as (bus, _, _transport, _inbox):
        tries: list[int] = []

        async def handler(number: int) -> None:
            tries.append(number)
            if len(tries) == 1:
                raise ValueError("once")

        dedupe = Dedupe(lambda _: "key")
        retry = RetryPolicy(attempts=2, backoff=0)
        await bus.subscribe("t", handler, dedupe=dedupe, retry=retry)
        await bus.publish("t", 1)
        await until(lambda: len(tries) == 2, "the second attempt")


@pytest.mark.parametrize("payload", [{"other": 1}, {"id": None}, [1], {"id": {"a": 1}}])
async def test_a_missing_key_is_a_dead_letter(tmp_path: Path, payload: object) -> None:
    async with (
        on_disk(MemoryBroker(), tmp_path) as (bus, _, _transport, _inbox),
        bus.stream("dskity/dead-letter/#") as dead,
    ):

        async def handler(order: Any) -> None: ...

        await bus.subscribe("t", handler, dedupe=Dedupe("id"))
        await bus.publish("t", payload)
        assert "no field 'id'" in (await anext(dead)).headers["dskity-error"]


@pytest.mark.parametrize(
    ("policy", "error", "hint"),
    [
        ({"ack": "never"}, InvalidHandler, "'handled' or 'stored'"),
        ({"ack": "stored", "qos": 0}, InvalidHandler, "qos=0"),
        ({"ack": "stored"}, Unsupported, "inbox"),
        ({"dedupe": Dedupe("id")}, Unsupported, "handled keys"),
    ],
)
async def test_what_cannot_be_promised_is_refused(
    policy: dict[str, Any], error: type[Exception], hint: str
) -> None:
    async def handler(message: Message) -> None: ...

    async with memory_house() as house:
        with pytest.raises(error) as caught:
            await house.bus.subscribe("t", handler, **policy)
        assert hint in str(caught.value)


@pytest.mark.parametrize("arguments", [{"key": "id", "window": 0}, {"key": ""}, {"key": "header:"}])
def test_a_wrong_dedupe_says_so(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidHandler, match="Dedupe"):
        Dedupe(**arguments)
