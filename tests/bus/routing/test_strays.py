"""Messages under filters that this process does not have: who gets them, and what the log says."""

from __future__ import annotations

import logging

import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.bus.delivery import Delivery, Meta
from dskity.bus.routing.subscriptions import Subscription, Subscriptions, identifier_of
from dskity.bus.topics import parse
from dskity.bus.transport import Lane
from tests.house_bus import memory_house
from tests.waiting import until

OLD = identifier_of("an/old/filter")


def nobody(*_: object) -> None:
    """Accepts a message."""


def sub(filter: str, lane: Lane = "intake") -> Subscription:
    return Subscription(parse(filter), filter, lane, nobody)


def table(*entries: Subscription) -> Subscriptions:
    made = Subscriptions()
    for entry in entries:
        made.add(entry)
    return made


def copy(*identifiers: int, payload: bytes = b"x") -> Delivery:
    return Delivery("a/b", payload, 1, False, False, Meta(subscriptions=identifiers))


def found(subscriptions: Subscriptions, delivery: Delivery) -> list[str]:
    return [entry.filter for entry, _ in subscriptions.find(delivery)]


def test_a_copy_that_names_nothing_known_is_for_all_that_match_on_the_intake() -> None:
    wanted = table(sub("a/+"), sub("a/#"), sub("a/b", "control"), sub("other"))
    assert found(wanted, copy(OLD)) == ["a/+", "a/#"]


def test_a_copy_that_names_something_known_is_for_that_alone() -> None:
    wanted = table(sub("a/+"), sub("a/#"))
    assert found(wanted, copy(OLD, identifier_of("a/#"))) == ["a/#"]


@pytest.mark.parametrize("stray_first", [True, False])
def test_copies_of_one_message_for_an_old_and_a_new_filter_are_handled_once(
    stray_first: bool,
) -> None:
    """Whichever comes first; an equal message after them is another one."""
    wanted = table(sub("a/+"))
    assert found(wanted, copy(OLD, payload=b"queued before")) == ["a/+"]
    pair = [copy(OLD), copy(identifier_of("a/+"))]
    for _ in range(3):
        handled = [found(wanted, each) for each in (pair if stray_first else pair[::-1])]
        assert handled == [["a/+"], []]


def test_equal_messages_under_an_old_filter_are_all_handled() -> None:
    wanted = table(sub("a/+"))
    assert [found(wanted, copy(OLD)) for _ in range(3)] == [["a/+"]] * 3


def test_what_comes_for_a_cancelled_subscription_goes_to_the_others_once() -> None:
    """They were there when it was published, or came later: both are served."""
    gone, stays = sub("a/b"), sub("a/#")
    wanted = table(gone, stays)
    wanted.remove(gone)
    assert found(wanted, copy(gone.identifier)) == ["a/#"]
    assert found(wanted, copy(stays.identifier)) == []
    assert found(wanted, copy(stays.identifier)) == ["a/#"]


def test_what_comes_late_for_a_cancelled_stream_is_for_nobody() -> None:
    """The control lane brings it; the intake has its own copy."""
    gone, stays = sub("a/b", "control"), sub("a/#")
    wanted = table(gone, stays)
    wanted.remove(gone)
    assert found(wanted, copy(gone.identifier)) == []


def test_looking_out_for_strays_ends() -> None:
    """A thousand messages later it costs nothing."""
    wanted = table(sub("a/+"))
    found(wanted, copy(OLD))
    assert wanted._strays.watching
    for number in range(1_001):
        found(wanted, copy(identifier_of("a/+"), payload=b"%d" % number))
    assert not wanted._strays.watching


async def test_what_matches_no_handler_is_counted_and_told_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With a topic, in which nothing can forge a line."""
    clock = VirtualClock()
    caplog.set_level(logging.WARNING)
    async with memory_house(clock=clock) as house:
        await house.transport.subscribe("old/#", 1, identifier_of("old/#"))
        for number in range(5):
            await house.bus.publish(f"old/{number}")
        await until(lambda: house.bus.counters.unrouted == 5, "all are counted")
        await clock.advance(61)
        await house.bus.publish("old/last")
        await until(lambda: house.bus.counters.unrouted == 6, "one more")
    told = [record.getMessage() for record in caplog.records if "no handler" in record.message]
    assert len(told) == 2
    assert told[0].startswith("1 message(s)")
    assert "old/0" in told[0]
    assert told[1].startswith("5 message(s)")
    assert "old/last" in told[1]
