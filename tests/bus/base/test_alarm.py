"""One sleeper, and the moment at which it wakes."""

from __future__ import annotations

import asyncio
import math

import pytest

from dskity.bus.base.alarm import Alarm
from dskity.bus.base.clock import VirtualClock
from tests.breaking import Broken


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


async def test_it_wakes_at_the_earliest_moment_it_was_told(clock: VirtualClock) -> None:
    """A later one changes nothing."""
    alarm = Alarm(clock, "test")
    sleep = asyncio.create_task(alarm.sleep_until(30), name="sleep")
    await clock.advance(1)
    alarm.no_later_than(40)
    alarm.no_later_than(5)
    await clock.advance(3.9)
    assert not sleep.done()
    await clock.advance(0.1)
    assert sleep.done()
    assert alarm.moment == math.inf


async def test_what_it_is_told_between_two_sleeps_is_not_overslept(clock: VirtualClock) -> None:
    alarm = Alarm(clock, "test")
    alarm.no_later_than(2)
    sleep = asyncio.create_task(alarm.sleep_until(math.inf), name="sleep")
    await clock.advance(2)
    assert sleep.done()


async def test_a_moment_that_has_passed_needs_no_sleep(clock: VirtualClock) -> None:
    await clock.advance(10)
    await Alarm(clock, "test").sleep_until(9)


async def test_a_cancelled_sleep_leaves_no_task(clock: VirtualClock) -> None:
    before = asyncio.all_tasks()
    sleep = asyncio.create_task(Alarm(clock, "test").sleep_until(math.inf), name="sleep")
    await clock.advance(1)
    assert len(asyncio.all_tasks()) == len(before) + 2
    sleep.cancel()
    await asyncio.wait((sleep,))
    assert asyncio.all_tasks() == before


async def test_a_sleep_that_fails_is_for_who_sleeps(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for nobody, and not for ever: the loop that sleeps by it starts again."""
    Broken(monkeypatch, clock, "sleep", OverflowError("odd"))
    with pytest.raises(OverflowError):
        await Alarm(clock, "test").sleep_until(5)
