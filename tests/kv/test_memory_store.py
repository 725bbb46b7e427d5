"""The store in this process: one sleeper, and no more memory than the keys need."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.modules.kv.memory_store import MemoryStore
from dskity.modules.kv.store import StoreChange


class CountingClock(VirtualClock):
    """A virtual clock that notes how long each sleep was to be."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await super().sleep(seconds)


@pytest.fixture
def clock() -> CountingClock:
    return CountingClock()


@pytest.fixture
def made() -> list[StoreChange]:
    return []


@pytest.fixture
async def store(clock: CountingClock, made: list[StoreChange]) -> AsyncIterator[MemoryStore]:
    store = MemoryStore(clock)
    store.listen(made.append, lambda _: None, partial(asyncio.sleep, 0))
    await store.start()
    yield store
    await store.stop()


async def test_it_sleeps_until_the_next_deadline_and_wakes_early_only_for_an_earlier_one(
    store: MemoryStore, clock: CountingClock
) -> None:
    for key, ttl in (("a", 30), ("b", 50), ("c", 40)):
        await store.put(key, 1, ttl, None)
    await clock.advance(10)
    await store.put("d", 1, 5, None)
    await clock.advance(100)
    timers = [seconds for seconds in clock.slept if seconds < 86_400]
    assert timers == [30, 5, 15, 10, 10]


async def test_each_expiry_is_at_its_own_moment(
    store: MemoryStore, clock: CountingClock, made: list[StoreChange]
) -> None:
    await store.put("b", 1, 2.5, None)
    await store.put("a", 1, 0.001, None)
    await clock.advance(0.001)
    assert [(c.kind, c.key) for c in made[2:]] == [("expired", "a")]
    await clock.advance(2.498)
    assert len(made) == 3
    await clock.advance(0.001)
    assert [(c.kind, c.key) for c in made[3:]] == [("expired", "b")]


async def test_a_write_on_an_expired_key_reports_its_end_first(
    clock: CountingClock, made: list[StoreChange]
) -> None:
    """Also where nobody has started the store, so that nothing expires by itself."""
    store = MemoryStore(clock)
    store.listen(made.append, lambda _: None, partial(asyncio.sleep, 0))
    await store.put("k", 1, 1, None)
    await clock.advance(1)
    await store.put("k", 2, 1, None)
    await clock.advance(1)
    assert await store.delete("k", None) is False
    assert [(c.kind, c.version) for c in made] == [
        ("set", 1),
        ("expired", 1),
        ("set", 2),
        ("expired", 2),
    ]


async def test_rewriting_keys_for_ever_does_not_grow_the_heap(
    store: MemoryStore, clock: CountingClock, made: list[StoreChange]
) -> None:
    for n in range(20_000):
        await store.put(f"k{n % 10}", n, 60, None)
    assert len(store._heap) < 2_100
    made.clear()
    await clock.advance(60)
    assert sorted(c.key for c in made) == [f"k{n}" for n in range(10)]
    assert not store._heap
    assert not store._items


async def test_what_is_left_after_a_stop_expires_after_the_next_start(
    store: MemoryStore, clock: CountingClock, made: list[StoreChange]
) -> None:
    await store.put("k", 1, 10, None)
    await store.stop()
    await clock.advance(20)
    assert len(made) == 1
    await store.start()
    await clock.advance(0)
    assert [c.kind for c in made] == ["set", "expired"]
