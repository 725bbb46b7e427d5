"""Retained messages reach each handler once, also where a broker names no subscriptions."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest

from dskity.broker.connection.retained import SURPLUS, Asked, RetainedCopies
from dskity.broker.connection.subscriptions import Subscription
from dskity.bus.bus import Bus
from dskity.handlers import Dispatcher
from tests.contract.cells import Cell
from tests.contract.house import House, mqtt, open_house
from tests.waiting import until

WIDE, NARROW = (Subscription(text, 1, at, "intake") for at, text in enumerate(("a/#", "a/+"), 1))
BOTH = (WIDE, NARROW)
CELLS = [
    Cell("aiomqtt", broker)
    for broker in ("mosquitto-3.1.1", "builtin-3.1.1", "mosquitto-5", "builtin-5")
]


def _subscribed(*subscriptions: Subscription) -> tuple[Asked, RetainedCopies]:
    asked = Asked()
    for subscription in subscriptions:
        asked.note(subscription.filter)
    return asked, RetainedCopies(asked)


def test_two_filters_that_were_subscribed_together_have_one_copy_in_common() -> None:
    """The second one is surplus."""
    _, copies = _subscribed(WIDE, NARROW)
    assert copies.assign("a/b", b"1", BOTH) == BOTH
    assert copies.assign("a/b", b"1", BOTH) is SURPLUS


def test_a_filter_that_comes_later_gets_its_copy_alone() -> None:
    """Also when the value has changed in between: the first one has had that live."""
    asked, copies = _subscribed(WIDE)
    assert copies.assign("a/b", b"1", (WIDE,)) == (WIDE,)
    asked.note(NARROW.filter)
    assert copies.assign("a/b", b"1", BOTH) == [NARROW]
    asked.note(WIDE.filter)
    assert copies.assign("a/b", b"2", BOTH) == [WIDE]


def test_more_copies_than_were_asked_for_are_messages() -> None:
    """A broker may set RETAIN on what it had queued, and a sensor report one value twice."""
    _, copies = _subscribed(WIDE)
    for _ in range(3):
        assert copies.assign("a/b", b"21.5", BOTH) == BOTH


def test_another_value_is_no_copy() -> None:
    """It may have changed between two SUBSCRIBE packets."""
    _, copies = _subscribed(WIDE, NARROW)
    assert copies.assign("a/b", b"1", BOTH) == BOTH
    assert copies.assign("a/b", b"2", BOTH) == BOTH


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was forgotten is handled again."""
    monkeypatch.setattr("dskity.broker.connection.retained.MOST", 2)
    _, copies = _subscribed(WIDE, NARROW)
    for topic in ("a/1", "a/2", "a/3"):
        assert copies.assign(topic, b"", BOTH) == BOTH
    assert copies.assign("a/1", b"", BOTH) == BOTH
    assert copies.assign("a/3", b"", BOTH) is SURPLUS


@contextlib.asynccontextmanager
async def _bus(house: House, *, hold: bool = False) -> AsyncIterator[Bus]:
    dispatcher = Dispatcher()
    bus = Bus(mqtt(house.cell, "two", house.broker.port), dispatcher)
    await bus.start(hold=hold)
    try:
        yield bus
    finally:
        await dispatcher.close()
        await bus.close()


async def _retain(house: House, topic: str, payload: bytes) -> None:
    publisher = await house.connected("publisher")
    await publisher.publish(topic, payload, qos=1, retain=True)


@pytest.mark.parametrize("cell", CELLS, ids=str)
@pytest.mark.parametrize("hold", [True, False], ids=["before the connection", "after it"])
async def test_each_handler_handles_a_retained_message_once(cell: Cell, hold: bool) -> None:
    """Three overlapping filters, subscribed at the start or one after the other."""
    got: list[str] = []

    def noting(name: str) -> object:
        async def handle(payload: bytes) -> None:
            got.append(f"{name} {payload.decode()}")

        return handle

    async with open_house(cell) as house:
        await _retain(house, "state/box/mode", b"on")
        async with _bus(house, hold=hold) as bus:
            if not hold:
                await bus.link.up()
            for name, filter in (("1", "state/#"), ("2", "state/+/mode"), ("3", "state/box/+")):
                await bus.subscribe(filter, noting(name))  # type: ignore[arg-type]
            await bus.link.up()
            await bus.subscribe("end", noting("end"))  # type: ignore[arg-type]
            if hold:
                bus.open()
            await bus.publish("end", b"", qos=1)
            await until(lambda: "end " in got, "all that was queued before it")
            await until(lambda: len(got) >= 4, f"each of them: {got}")
            await bus.publish("state/box/mode", b"off", qos=1)
            await until(lambda: "3 off" in got and "1 off" in got and "2 off" in got, "it goes on")
    assert sorted(got) == ["1 off", "1 on", "2 off", "2 on", "3 off", "3 on", "end "]


@pytest.mark.parametrize("cell", CELLS, ids=str)
async def test_a_handler_that_is_subscribed_later_is_alone_with_its_copy(cell: Cell) -> None:
    """What the others have handled they do not handle again, at a reload say."""
    got: list[str] = []

    async def first(payload: bytes) -> None:
        got.append(f"first {payload.decode()}")

    async def second(payload: bytes) -> None:
        got.append(f"second {payload.decode()}")

    async with open_house(cell) as house:
        await _retain(house, "state/box", b"on")
        async with _bus(house) as bus:
            await bus.link.up()
            await bus.subscribe("state/#", first)
            early = await bus.subscribe("state/+", second)
            await until(lambda: len(got) == 2, f"both: {got}")
            await early.cancel()
            await bus.subscribe("state/+", second)
            await until(lambda: len(got) == 3, f"again: {got}")
            await bus.subscribe("end", first)
            await bus.publish("end", b"!", qos=1)
            await until(lambda: "first !" in got, "all before it")
    assert got[:-1].count("first on") == 1
    assert got.count("second on") == 2
