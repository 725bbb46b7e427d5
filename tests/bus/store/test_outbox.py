"""The disk outbox: what was accepted leaves in order when the broker is back, and is never lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.bus.bus import Bus
from dskity.bus.errors import BrokerRefused, NotConnected, OutboxFull
from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.bus.message import Message
from dskity.bus.store.outbox import Outbox
from dskity.bus.store.spool import Bounds
from dskity.handlers import Dispatcher
from tests.house_bus import memory_house
from tests.waiting import until


@asynccontextmanager
async def sender(
    broker: MemoryBroker,
    path: Path,
    *,
    bounds: Bounds | None = None,
    max_age: float | None = None,
    clock: VirtualClock | None = None,
) -> AsyncIterator[tuple[Bus, Outbox]]:
    clock = clock or VirtualClock()
    outbox = Outbox(path / "outbox.db", bounds=bounds, max_age=max_age, clock=clock)
    bus = Bus(MemoryTransport(broker, "sender"), Dispatcher(), outbox=outbox, clock=clock)
    await bus.start()
    try:
        yield bus, outbox
    finally:
        await bus.close()


@asynccontextmanager
async def listener(broker: MemoryBroker) -> AsyncIterator[list[Message]]:
    """All messages of `t/#`, from a client that stays away while the broker does."""
    seen: list[Message] = []

    async def handler(message: Message) -> None:
        seen.append(message)

    async with memory_house(broker=broker, client_id="listener") as house:
        await house.bus.subscribe("t/#", handler)
        yield seen


async def test_publishes_wait_on_disk_for_the_broker_and_leave_in_order(tmp_path: Path) -> None:
    broker = MemoryBroker()
    async with listener(broker) as seen, sender(broker, tmp_path) as (bus, outbox):
        broker.stop()
        for number in range(500):
            receipt = await bus.publish("t/a", number, headers={"n": str(number)})
            assert receipt.accepted == "outbox"
        assert outbox.spool.messages == 500
        broker.start()
        await until(lambda: len(seen) == 500, "all of them")
        assert [m.json() for m in seen] == list(range(500))
        assert seen[7].headers == {"n": "7"}
        await until(lambda: outbox.empty, "the file empty")
        assert (await bus.publish("t/a", b"")).accepted == "broker"


async def test_what_waits_survives_the_process(tmp_path: Path) -> None:
    broker = MemoryBroker()
    async with listener(broker) as seen:
        broker.stop()
        async with sender(broker, tmp_path) as (bus, _):
            for number in range(10):
                await bus.publish("t/a", number)
        async with sender(broker, tmp_path):
            broker.start()
            await until(lambda: len(seen) == 10, "all of them")
    assert [m.json() for m in seen] == list(range(10))


async def test_while_the_outbox_empties_new_messages_queue_behind(tmp_path: Path) -> None:
    broker = MemoryBroker()
    async with listener(broker) as seen, sender(broker, tmp_path) as (bus, _):
        broker.stop()
        for number in range(300):
            await bus.publish("t/a", number)
        broker.start()
        for number in range(300, 600):
            await bus.publish("t/a", number)
        await until(lambda: len(seen) == 600, "all of them")
        assert [m.json() for m in seen] == list(range(600))


async def test_a_drain_cut_short_goes_on_without_loss(tmp_path: Path) -> None:
    class Cutting(MemoryTransport):
        """Has the broker stop under each 150th publish."""

        published = 0

        async def publish(self, message: Message) -> bool | None:
            self.published += 1
            if self.published % 150 == 0:
                broker.stop()
            return await super().publish(message)

    broker, clock = MemoryBroker(), VirtualClock()
    outbox = Outbox(tmp_path / "outbox.db", clock=clock)
    bus = Bus(Cutting(broker, "sender"), Dispatcher(), outbox=outbox, clock=clock)
    async with listener(broker) as seen:
        await bus.start()
        broker.stop()
        for number in range(1000):
            await bus.publish("t/a", number)
        cuts = 0

        async def ended() -> bool:
            await clock.advance(60)  # past each delay after a cut
            return outbox.empty or not broker.running

        while not outbox.empty:
            broker.start()
            await until(ended, "its end, or a cut")
            cuts += not broker.running
        assert cuts >= 5
        broker.start()
        await until(lambda: len({m.payload for m in seen}) == 1000, "all of them")
        await bus.close()


async def test_a_message_lost_before_its_acknowledgement_goes_to_the_outbox(tmp_path: Path) -> None:
    class Cut(MemoryTransport):
        """Loses the connection under the first publish."""

        async def publish(self, message: Message) -> bool | None:
            if not cut:
                cut.append(True)
                self.cut()
                raise NotConnected("cut")
            return await super().publish(message)

    cut: list[bool] = []
    broker = MemoryBroker()
    outbox = Outbox(tmp_path / "outbox.db")
    bus = Bus(Cut(broker, "sender"), Dispatcher(), outbox=outbox)
    async with listener(broker) as seen:
        await bus.start()
        assert (await bus.publish("t/a", b"1")).accepted == "outbox"
        await until(lambda: [m.payload for m in seen] == [b"1"], "it")
        await bus.close()


async def test_an_expired_message_is_not_sent_and_others_keep_their_rest(tmp_path: Path) -> None:
    broker, clock = MemoryBroker(), VirtualClock()
    async with listener(broker) as seen, sender(broker, tmp_path, clock=clock) as (bus, outbox):
        broker.stop()
        await bus.publish("t/short", b"", expires_in=5)
        await bus.publish("t/long", b"", expires_in=60)
        await clock.advance(10)
        broker.start()
        await until(lambda: seen, "the long one")
        assert [m.topic for m in seen] == ["t/long"]
        assert seen[0].expires_in == pytest.approx(50, abs=1)
        await until(lambda: outbox.empty, "the file empty")
        assert outbox.expired == 1


async def test_what_is_too_old_is_not_sent(tmp_path: Path) -> None:
    broker, clock = MemoryBroker(), VirtualClock()
    async with (
        listener(broker) as seen,
        sender(broker, tmp_path, clock=clock, max_age=100) as (bus, outbox),
    ):
        broker.stop()
        await bus.publish("t/old", b"")
        await clock.advance(101)
        await bus.publish("t/new", b"")
        broker.start()
        await until(lambda: outbox.empty, "the file empty")
        await until(lambda: seen, "the new one")
        assert ([m.topic for m in seen], outbox.expired) == (["t/new"], 1)


async def test_at_the_bound_a_publish_is_refused_and_what_was_accepted_stays(
    tmp_path: Path,
) -> None:
    broker = MemoryBroker()
    bounds = Bounds(messages=3)
    async with listener(broker) as seen, sender(broker, tmp_path, bounds=bounds) as (bus, _):
        broker.stop()
        results = await asyncio.gather(
            *(bus.publish("t/a", number) for number in range(5)), return_exceptions=True
        )
        assert [isinstance(result, OutboxFull) for result in results] == [False] * 3 + [True] * 2
        broker.start()
        await until(lambda: len(seen) == 3, "the accepted ones")


async def test_a_message_larger_than_the_outbox_is_refused(tmp_path: Path) -> None:
    broker = MemoryBroker()
    async with sender(broker, tmp_path, bounds=Bounds(bytes=1000)) as (bus, _):
        broker.stop()
        with pytest.raises(OutboxFull, match="1000 bytes"):
            await bus.publish("t/a", b"x" * 2000)


async def test_drop_oldest_keeps_the_newest_and_counts(tmp_path: Path) -> None:
    broker = MemoryBroker()
    bounds = Bounds(messages=3, policy="drop_oldest")
    async with listener(broker) as seen, sender(broker, tmp_path, bounds=bounds) as (bus, outbox):
        broker.stop()
        for number in range(10):
            await bus.publish("t/a", number)
        assert (outbox.spool.messages, outbox.spool.dropped) == (3, 7)
        broker.start()
        await until(lambda: len(seen) == 3, "the newest")
        assert [m.json() for m in seen] == [7, 8, 9]


async def test_of_retained_state_only_the_newest_is_kept(tmp_path: Path) -> None:
    broker = MemoryBroker()
    async with listener(broker) as seen, sender(broker, tmp_path) as (bus, outbox):
        broker.stop()
        for number in range(5):
            await bus.publish("t/state", number, retain=True)
        await bus.publish("t/event", b"e")
        assert outbox.spool.messages == 2
        broker.start()
        await until(lambda: len(seen) == 2, "both")
        assert [m.payload for m in seen] == [b"4", b"e"]


async def test_what_the_broker_will_never_take_is_kept_aside(tmp_path: Path) -> None:
    class Picky(MemoryTransport):
        async def publish(self, message: Message) -> bool | None:
            if message.topic == "t/forbidden":
                raise BrokerRefused("not authorized", 0x87)
            return await super().publish(message)

    broker = MemoryBroker()
    outbox = Outbox(tmp_path / "outbox.db")
    bus = Bus(Picky(broker, "sender"), Dispatcher(), outbox=outbox)
    async with listener(broker) as seen:
        broker.stop()
        await bus.start()
        await bus.publish("t/forbidden", b"")
        await bus.publish("t/fine", b"")
        broker.start()
        await until(lambda: seen, "the fine one")
        await until(lambda: outbox.empty, "nothing waits")
        [(stored, reason)] = await outbox.spool.refused()
        assert (stored.message.topic, "not authorized" in reason) == ("t/forbidden", True)
        await bus.close()
        async with sender(broker, tmp_path) as (_, again):  # it may publish there now
            await until(lambda: len(seen) == 2, "the one that was forbidden")
            assert await again.spool.refused() == []


async def test_qos_0_is_never_kept(tmp_path: Path) -> None:
    broker = MemoryBroker()
    async with sender(broker, tmp_path) as (bus, outbox):
        broker.stop()
        with pytest.raises(NotConnected, match="QoS 0"):
            await bus.publish("t/a", b"", qos=0)
        assert outbox.empty


async def test_a_publish_that_is_cancelled_on_its_way_to_the_disk_is_counted_there(
    tmp_path: Path,
) -> None:
    """It may leave or not; the count of what waits must not drift."""
    broker = MemoryBroker()
    async with listener(broker) as seen, sender(broker, tmp_path) as (bus, outbox):
        broker.stop()
        for number in range(3):
            publish = asyncio.create_task(bus.publish("t/a", number))
            await asyncio.sleep(0)
            publish.cancel()
            await asyncio.wait([publish])
        await outbox.spool.page(0, 1)
        assert outbox.spool.messages == 3
        broker.start()
        await until(lambda: len(seen) == 3, "all of them")
        await until(lambda: outbox.empty, "the file empty")


async def test_a_bound_that_drops_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broker = MemoryBroker()
    bounds = Bounds(messages=3, policy="drop_oldest")
    async with sender(broker, tmp_path, bounds=bounds) as (bus, _):
        broker.stop()
        for number in range(10):
            await bus.publish("t/a", number)
    told = [record.message for record in caplog.records if "drops the oldest" in record.message]
    assert len(told) == 1
