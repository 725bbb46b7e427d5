"""Publishing without waiting: in order, bounded, when the broker is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dskity.bus.background_publisher import BackgroundPublisher, as_it_is
from dskity.bus.base import tasks
from dskity.bus.base.clock import SYSTEM_CLOCK, Clock, VirtualClock
from dskity.bus.bus import Bus
from dskity.bus.delivery import Delivery
from dskity.bus.errors import NotConnected, TooLarge
from dskity.bus.memory import CAPABILITIES, MemoryBroker, MemoryTransport
from dskity.bus.message import Message
from dskity.bus.store.outbox import Outbox
from dskity.handlers import Dispatcher
from tests.breaking import Broken
from tests.waiting import until

AT_ONCE = 128


class HeldTransport(MemoryTransport):
    """The broker takes each message at once; between `hold` and `answer` or `fail` it does not
    acknowledge."""

    def __init__(self, broker: MemoryBroker) -> None:
        super().__init__(broker, "announcer")
        self.under_way = 0
        self._answer: asyncio.Future[None] | None = None

    def hold(self) -> None:
        self._answer = asyncio.get_running_loop().create_future()

    def answer(self) -> None:
        if self._answer is not None:
            self._answer.set_result(None)
            self._answer = None

    def fail(self) -> None:
        """As a connection that is lost before the acknowledgement."""
        if self._answer is not None:
            self._answer.set_exception(NotConnected("the connection was lost"))
            self._answer = None

    async def publish(self, message: Message) -> bool | None:
        matched = await super().publish(message)
        self.under_way += 1
        try:
            if self._answer is not None:
                await asyncio.shield(self._answer)
        finally:
            self.under_way -= 1
        return matched


class Scene:
    """A bus on a broker in memory, and the topics and payloads that came to it."""

    def __init__(self, broker: MemoryBroker, transport: HeldTransport, bus: Bus) -> None:
        self.broker, self.transport, self.bus = broker, transport, bus
        self.came: list[str] = []

    def publisher(self, *, limit: int = 1_000, durable: bool = True) -> BackgroundPublisher[str]:
        """An announcer of topics; the payload is the time of `put`."""
        return BackgroundPublisher(
            self.bus,
            lambda topic, at: Message(topic, f"{at:.0f}".encode()),
            name="news",
            limit=limit,
            durable=durable,
        )

    def note(self, delivery: Delivery, captures: object) -> None:
        self.came.append(delivery.topic)
        delivery.done()


@asynccontextmanager
async def scene(
    *,
    clock: Clock = SYSTEM_CLOCK,
    outbox: Outbox | None = None,
    max_packet: int | None = None,
) -> AsyncIterator[Scene]:
    """Started, and closed again."""
    broker = MemoryBroker(clock=clock, capabilities=CAPABILITIES.but(max_packet=max_packet))
    transport = HeldTransport(broker)
    dispatcher = Dispatcher()
    bus = Bus(transport, dispatcher, outbox=outbox, publish_timeout=0.05, clock=clock)
    await bus.start()
    made = Scene(broker, transport, bus)
    await bus.attach("#", made.note)
    try:
        yield made
    finally:
        await dispatcher.close()
        await bus.close()


def topics(count: int) -> list[str]:
    return [f"n/{number}" for number in range(count)]


async def test_items_come_in_the_order_in_which_they_were_put() -> None:
    async with scene() as s:
        publisher = s.publisher()
        publisher.start()
        for topic in topics(500):
            publisher.put(topic)
        await publisher.close()
        await until(lambda: len(s.came) == 500, "all of them")
        assert s.came == topics(500)


async def test_many_are_under_way_at_once_and_never_more_than_the_bound() -> None:
    """So a broker's delay is paid once for 128 of them, not for each."""
    async with scene() as s:
        s.transport.hold()
        publisher = s.publisher()
        publisher.start()
        for topic in topics(3 * AT_ONCE):
            publisher.put(topic)
        await until(lambda: len(s.came) == AT_ONCE, "the first 128")
        assert s.transport.under_way == AT_ONCE
        s.transport.answer()
        await publisher.close()
        await until(lambda: s.came == topics(3 * AT_ONCE), "all of them, in order")


async def test_what_a_lost_connection_left_open_goes_again_before_anything_newer() -> None:
    async with scene() as s:
        s.transport.hold()
        publisher = s.publisher()
        publisher.start()
        for topic in topics(AT_ONCE + 10):
            publisher.put(topic)
        await until(lambda: len(s.came) == AT_ONCE, "the first 128")
        s.broker.stop()
        s.transport.fail()
        await until(lambda: s.transport.under_way == 0, "all have failed")
        s.broker.start()
        await until(lambda: len(s.came) == 2 * AT_ONCE + 10, "all of them")
        assert s.came[AT_ONCE:] == topics(AT_ONCE + 10)
        await publisher.close()
        assert publisher.dropped == 0


async def test_an_item_has_the_time_at_which_it_was_put() -> None:
    clock = VirtualClock(start=1_000)
    async with scene(clock=clock) as s:
        publisher = s.publisher()
        publisher.put("a")
        await clock.advance(60)
        publisher.put("b")
        publisher.start()
        async with s.bus.stream("+") as stream:
            assert [(await anext(stream)).payload for _ in range(2)] == [b"1000", b"1060"]
        await publisher.close()


async def test_of_more_than_the_bound_the_oldest_go() -> None:
    async with scene() as s:
        publisher = s.publisher(limit=2)
        for topic in topics(4):
            publisher.put(topic)
        publisher.start()
        await publisher.close()
        assert publisher.dropped == 2
        await until(lambda: s.came == ["n/2", "n/3"], "the newest two")


async def test_the_log_tells_what_was_dropped_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = VirtualClock()
    async with scene(clock=clock) as s:
        publisher = s.publisher(limit=1)
        for topic in topics(5):
            publisher.put(topic)
        assert [record.args for record in caplog.records if "dropping" in record.message] == [
            ("news", 1, "the broker is away, or too slow: dropping the oldest")
        ]
        await clock.advance(60)
        publisher.put("n/5")
        assert "news dropped: 5 so far" in caplog.text


async def test_what_the_broker_refuses_does_not_hold_up_the_next() -> None:
    async with scene(max_packet=4) as s:
        publisher = BackgroundPublisher(s.bus, as_it_is, name="news")
        publisher.put(Message("n/big", b"12345"))
        publisher.put(Message("n/small", b"1"))
        publisher.start()
        await publisher.close()
        await until(lambda: s.came == ["n/small"], "the next is published")
        assert publisher.dropped == 1


async def test_nor_does_a_message_that_cannot_be_made(caplog: pytest.LogCaptureFixture) -> None:
    def message_of(number: int, at: float) -> Message:
        return Message(f"n/{10 // number}")

    async with scene() as s:
        publisher = BackgroundPublisher(s.bus, message_of, name="news")
        for number in (0, 5):
            publisher.put(number)
        publisher.start()
        await publisher.close()
        await until(lambda: s.came == ["n/2"], "the next is published")
        assert publisher.dropped == 1
        assert "ZeroDivisionError" in caplog.text


async def test_without_a_broker_items_wait_here() -> None:
    async with scene() as s:
        s.broker.stop()
        publisher = s.publisher()
        publisher.start()
        publisher.put("a")
        await asyncio.wait_for(publisher.send("b"), 0.5)
        s.broker.start()
        await until(lambda: s.came == ["a", "b"], "both, in order")
        await publisher.close()


@pytest.mark.parametrize(("durable", "kept"), [(True, 3), (False, 0)])
async def test_only_a_durable_one_hands_on_to_the_outbox(*, durable: bool, kept: int) -> None:
    """What can come in floods must not take the place of what users publish."""
    outbox = Outbox(None)
    async with scene(outbox=outbox) as s:
        s.broker.stop()
        publisher = s.publisher(durable=durable)
        publisher.start()
        for topic in topics(3):
            publisher.put(topic)
        await until(lambda: outbox.spool.messages == kept, "kept, or not")
        s.broker.start()
        await until(lambda: s.came == topics(3), "all of them, in order")
        await publisher.close()


async def test_send_raises_what_the_broker_says_against_the_message() -> None:
    async with scene(max_packet=3) as s:
        publisher = BackgroundPublisher(s.bus, as_it_is, name="news")
        with pytest.raises(TooLarge):
            await publisher.send(Message("n", b"1234"))
        await publisher.send(Message("n", b"1"))
        await until(lambda: s.came == ["n"], "the small one")


async def test_a_producer_that_waits_for_room_has_nothing_dropped() -> None:
    async with scene() as s:
        publisher = s.publisher(limit=100)
        publisher.start()
        for topic in topics(1_000):
            publisher.put(topic)
            if topic.endswith("9"):
                await publisher.room()
        await publisher.close()
        await until(lambda: len(s.came) == 1_000, "all of them")
        assert publisher.dropped == 0


async def test_there_is_no_waiting_for_room_while_the_broker_is_away() -> None:
    async with scene() as s:
        publisher = s.publisher(limit=10)
        publisher.start()
        s.broker.stop()
        for topic in topics(20):
            publisher.put(topic)
            await asyncio.wait_for(publisher.room(), 0.5)
        await publisher.close()


async def test_who_waits_for_room_is_let_go_when_the_connection_is_lost() -> None:
    async with scene() as s:
        s.transport.hold()
        publisher = s.publisher(limit=2 * AT_ONCE)
        publisher.start()
        for topic in topics(2 * AT_ONCE):
            publisher.put(topic)
        await until(lambda: s.transport.under_way == AT_ONCE, "128 under way")
        for topic in topics(10):
            publisher.put(topic)
        room = asyncio.create_task(publisher.room(), name="room")
        await asyncio.wait((room,), timeout=0.05)
        assert not room.done()
        s.broker.stop()
        s.transport.fail()
        await asyncio.wait_for(room, 2)
        await publisher.close()


async def test_closing_gives_what_waits_its_grace_and_no_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scene() as s:
        s.transport.hold()
        publisher = s.publisher()
        publisher.start()
        for topic in topics(2 * AT_ONCE):
            publisher.put(topic)
        await asyncio.wait_for(publisher.close(grace=0.05), 1)
        assert f"news: {2 * AT_ONCE} were not published" in caplog.text


async def test_closing_does_not_wait_for_an_absent_broker() -> None:
    async with scene() as s:
        publisher = s.publisher()
        publisher.start()
        s.broker.stop()
        publisher.put("a")
        await asyncio.wait_for(publisher.close(grace=60), 0.5)


async def test_what_a_close_left_goes_after_the_next_start() -> None:
    async with scene() as s:
        publisher = s.publisher()
        publisher.start()
        s.broker.stop()
        publisher.put("a")
        await publisher.close()
        s.broker.start()
        publisher.start()
        await until(lambda: s.came == ["a"], "it has come")
        await publisher.close()


async def test_what_was_under_way_when_its_loop_failed_is_published_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In order, and nothing is lost."""
    clock, health = VirtualClock(), tasks.observe()
    async with scene(clock=clock) as s:
        publisher = s.publisher()
        publisher.start()
        s.transport.hold()
        for topic in topics(3):
            publisher.put(topic)
        await clock.advance(0)
        assert s.transport.under_way == 3
        Broken(monkeypatch, BackgroundPublisher, "_present_connection", KeyError("odd"))
        publisher.put("n/3")
        s.transport.answer()
        await clock.advance(0)
        assert list(health.failing) == ["news"]
        s.came.clear()
        await clock.advance(tasks.SHORTEST_PAUSE)
        assert s.came[-1] == "n/3"
        assert sorted(s.came) == s.came
        await publisher.close()


@pytest.mark.parametrize("error", [SystemExit(1), asyncio.CancelledError(), KeyError("odd")])
async def test_a_message_that_cannot_be_made_is_dropped_and_the_next_one_goes(
    error: BaseException,
) -> None:
    """Whatever its maker raises."""

    def make(topic: str, at: float) -> Message:
        del at
        if topic == "bad":
            raise error
        return Message(topic)

    async with scene() as s:
        publisher = BackgroundPublisher(s.bus, make, name="news")
        publisher.start()
        for topic in ("bad", "good"):
            publisher.put(topic)
        await until(lambda: s.came == ["good"], "the good one")
        assert publisher.dropped == 1
        await publisher.close()
