"""Deadlines in order, whatever is outdated in between."""

from __future__ import annotations

import asyncio
import math

from hypothesis import given
from hypothesis import strategies as st

from dskity.bus.base.clock import VirtualClock
from dskity.bus.base.deadline_heap import DeadlineHeap

Item = tuple[float, int]


@given(
    seconds=st.lists(st.integers(0, 50), max_size=60),
    outdated=st.sets(st.integers(0, 59)),
    now=st.integers(0, 50),
    slack=st.integers(0, 10),
)
def test_the_live_items_that_are_due_come_in_order_and_once(
    seconds: list[int], outdated: set[int], now: int, slack: int
) -> None:
    items: list[Item] = [(float(at), number) for number, at in enumerate(seconds)]
    live = set(items)
    clock = VirtualClock()
    heap: DeadlineHeap[Item] = DeadlineHeap(clock, "test", live.__contains__, slack=slack)
    for item in items:
        heap.add(item)
        if item[1] in outdated:
            live.discard(item)
            heap.outdated()
    asyncio.run(clock.advance(now))
    assert list(heap.due(1_000)) == sorted(item for item in live if item[0] <= now)
    assert list(heap.due(1_000)) == []
    assert len(heap) <= 2 * len(live) + slack + 1


def test_a_slice_ends_after_so_many_items_live_or_not() -> None:
    heap: DeadlineHeap[Item] = DeadlineHeap(VirtualClock(), "test", lambda item: item[1] % 2 == 0)
    for number in range(10):
        heap.add((0.0, number))
    assert list(heap.due(4)) == [(0.0, 0), (0.0, 2)]
    assert list(heap.due(100)) == [(0.0, 4), (0.0, 6), (0.0, 8)]
    assert heap.next_deadline == math.inf


async def test_a_second_sleep_passes_over_outdated_items(clock: VirtualClock) -> None:
    heap: DeadlineHeap[Item] = DeadlineHeap(clock, "test", lambda item: item[1] > 0)
    heap.add((9.0, 1))
    heap.add((2.0, 0))
    heap.add((1.0, 1))
    heap.outdated()
    sleeper = asyncio.create_task(heap.sleep(), name="sleeper")
    await clock.advance(1.0)
    await sleeper
    assert list(heap.due(10)) == [(1.0, 1)]
    sleeper = asyncio.create_task(heap.sleep(), name="sleeper")
    await clock.advance(7.0)
    assert not sleeper.done()
    await clock.advance(1.0)
    await sleeper
    assert list(heap.due(10)) == [(9.0, 1)]
