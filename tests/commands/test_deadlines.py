"""One sleeper for all deadlines: each key comes at its moment, in order, and once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.modules.commands.deadlines import Deadlines


@pytest.fixture
async def due(clock: VirtualClock) -> AsyncIterator[tuple[Deadlines, list[tuple[float, str]]]]:
    """Deadlines, and the keys that came with their moments."""
    deadlines = Deadlines(clock)
    came: list[tuple[float, str]] = []

    async def collect() -> None:
        while True:
            key = await deadlines.next()
            came.append((clock.monotonic(), key))

    task = asyncio.create_task(collect(), name="collect")
    yield deadlines, came
    task.cancel()
    await asyncio.wait({task})


async def test_keys_come_in_the_order_of_their_deadlines(
    due: tuple[Deadlines, list[tuple[float, str]]], clock: VirtualClock
) -> None:
    """An earlier one that is added later wakes the sleeper."""
    deadlines, came = due
    deadlines.add("late", 30)
    await clock.advance(1)
    deadlines.add("soon", 4)
    deadlines.add("next", 9)
    await clock.advance(100)
    assert came == [(5, "soon"), (10, "next"), (30, "late")]


async def test_a_discarded_key_never_comes(
    due: tuple[Deadlines, list[tuple[float, str]]], clock: VirtualClock
) -> None:
    """Nor does an unknown one that is discarded matter."""
    deadlines, came = due
    deadlines.add("a", 1)
    deadlines.add("b", 2)
    deadlines.discard("a")
    deadlines.discard("unknown")
    await clock.advance(5)
    assert came == [(2, "b")]
    assert len(deadlines) == 0


async def test_discarded_keys_take_no_room_for_long(clock: VirtualClock) -> None:
    """A million commands that end before their time leave nothing behind."""
    deadlines = Deadlines(clock)
    for number in range(5_000):
        deadlines.add(str(number), 60)
        deadlines.discard(str(number))
    assert len(deadlines) == 0
    assert len(deadlines._heap) < 100
