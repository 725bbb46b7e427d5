"""What a consumer raises stays with it: no wire sees it, and everybody else goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

import pytest

from dskity.bus import envelope
from dskity.bus.base import tasks
from dskity.bus.base.clock import VirtualClock
from dskity.bus.delivery import Delivery
from dskity.bus.message import Message
from dskity.bus.requests.replies import Replies
from dskity.bus.routing.subscriptions import Subscriptions
from dskity.bus.stream import MessageStream
from tests.breaking import Broken, errors_of
from tests.house_bus import House, memory_house
from tests.waiting import until

ERRORS: list[BaseException] = [
    RecursionError("deep"),
    KeyError("odd"),
    SystemExit(1),
    KeyboardInterrupt(),
    GeneratorExit(),
    asyncio.CancelledError(),
    BaseExceptionGroup("several", [SystemExit(1)]),
]
each_error = pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)


def broken(error: BaseException) -> Callable[[Delivery, Mapping[str, str]], None]:
    """A raw consumer that never comes to `done()`."""

    def accept(delivery: Delivery, captures: Mapping[str, str]) -> None:
        raise error

    return accept


def receive(house: House, topic: str, payload: bytes = b"") -> list[str]:
    """As from a wire; whether it was acknowledged is told by the list."""
    acknowledged: list[str] = []
    done = lambda: acknowledged.append(topic)  # noqa: E731
    house.bus._inbound.receive(Delivery(topic, payload, 1, False, False, None, done))
    return acknowledged


@each_error
async def test_the_message_of_a_broken_consumer_is_acknowledged(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    async with memory_house() as house:
        await house.bus.attach("a/{name}", broken(error))
        assert receive(house, "a/b") == ["a/b"]
        assert house.bus.counters.consumer_errors == 1
        (line,) = errors_of(caplog)
        assert "a/{name}" in line
        assert "a/b" in line


@each_error
async def test_the_others_get_a_message_that_one_consumer_breaks_on(error: BaseException) -> None:
    """Whatever their order; it is acknowledged when all of them are done."""
    async with memory_house() as house:
        handled = asyncio.Event()
        go_on = asyncio.Event()

        async def handler(payload: bytes) -> None:
            await go_on.wait()
            handled.set()

        await house.bus.attach("a/+", broken(error))
        await house.bus.subscribe("a/#", handler)
        await house.bus.attach("#", broken(error))
        async with house.bus.stream("a/b") as messages:
            acknowledged = receive(house, "a/b", b"x")
            assert (await anext(messages)).payload == b"x"
            assert acknowledged == []
            go_on.set()
            await handled.wait()
            await until(lambda: acknowledged == ["a/b"], "it is acknowledged")


async def test_a_consumer_that_fails_after_it_was_done_completes_its_share_once() -> None:
    def accept(delivery: Delivery, captures: Mapping[str, str]) -> None:
        delivery.done()
        raise KeyError

    async with memory_house() as house:
        kept: list[Delivery] = []
        await house.bus.attach("a", accept)
        await house.bus.attach("+", lambda delivery, _: kept.append(delivery))
        assert receive(house, "a") == []
        assert kept[0].holders == 1


async def test_a_broken_consumer_is_told_of_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each by itself; the count goes on."""
    clock = VirtualClock()
    async with memory_house(clock=clock) as house:
        for topic in ("a", "b"):
            await house.bus.attach(topic, broken(KeyError("odd")))
        for _ in range(100):
            receive(house, "a")
            receive(house, "b")
        assert len(errors_of(caplog)) == 2
        await clock.advance(60)
        receive(house, "a")
        assert len(errors_of(caplog)) == 3
        assert house.bus.counters.consumer_errors == 201


async def test_a_handler_keeps_its_message_where_accepting_it_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the bound the wire is paused. That this fails must not acknowledge what waits."""
    async with memory_house(max_in_flight=1) as house:
        started, go_on = asyncio.Event(), asyncio.Event()

        async def handler(payload: bytes) -> None:
            started.set()
            await go_on.wait()

        await house.bus.subscribe("a", handler)
        Broken(monkeypatch, house.transport, "pause", KeyError("odd"))
        house.dispatcher.in_flight.bind(house.transport.pause, house.transport.resume)
        acknowledged = receive(house, "a")
        assert house.bus.counters.consumer_errors == 1
        await started.wait()
        assert acknowledged == []
        go_on.set()
        await until(lambda: acknowledged == ["a"], "acknowledged after the handler")


@each_error
async def test_an_envelope_that_cannot_be_opened_is_a_payload(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with memory_house() as house:
        Broken(monkeypatch, envelope, "unwrap", error)
        payload = envelope.wrap(Message("a", b"1"), "/s", 0.0)
        async with house.bus.stream("a") as messages:
            assert receive(house, "a", payload) == ["a"]
            assert (await anext(messages)).payload == payload


@each_error
@pytest.mark.parametrize(
    ("owner", "name"), [(Replies, "accept"), (Subscriptions, "find")], ids=["reply", "find"]
)
async def test_nothing_else_on_the_way_reaches_the_wire(
    owner: type, name: str, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with memory_house() as house:
        topic = "dskity/reply/house/1" if owner is Replies else "a"
        Broken(monkeypatch, owner, name, error)
        assert receive(house, topic) == [topic]
        assert house.bus.counters.consumer_errors == 1


async def test_what_was_held_is_handed_on_behind_a_message_that_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    messages = MessageStream(3)
    async with memory_house(hold=True) as house:
        await house.bus.attach("a", messages.accept)
        for payload in (b"1", b"2", b"3"):
            receive(house, "a", payload)
        Broken(monkeypatch, Subscriptions, "find", KeyError("odd"))
        house.bus.open()
        assert [(await anext(messages)).payload for _ in range(2)] == [b"2", b"3"]


@each_error
async def test_a_watcher_that_fails_is_reported_and_the_others_are_told(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    health, told = tasks.observe(), list[bool]()

    def fail(connected: bool, *, resumed: bool) -> None:  # a `Watcher`
        raise error

    def tell(connected: bool, *, resumed: bool) -> None:  # a `Watcher`
        told.append(connected)

    async with memory_house() as house:
        await house.bus.link.up()
        house.bus.link.watch(fail)
        house.bus.link.watch(tell)
        house.broker.stop()
        house.broker.start()
        await until(lambda: told == [False, True], "the other watcher is told")
        assert health.errors == {"link watcher": 2}
        assert "link watcher" in errors_of(caplog)[0]
