"""`clients.kv`: defaults, refusals, events on the bus, watching, and requests over the bus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from dskity.bus.background_publisher import BackgroundPublisher
from dskity.bus.base.clock import VirtualClock
from dskity.bus.bus import Bus
from dskity.bus.errors import InvalidInput, InvalidSettings
from dskity.modules.contract import KV, Change
from dskity.modules.kv.events import event_of
from dskity.modules.kv.memory_store import MemoryStore
from dskity.modules.kv.module import build_kv
from dskity.modules.kv.service import EVENTS, KeyValue
from dskity.modules.kv.store import StoreChange
from dskity.modules.kv.watch import LIMIT
from tests.house_bus import House
from tests.waiting import until


def publisher(bus: Bus, limit: int) -> BackgroundPublisher[StoreChange]:
    """What a `KeyValue` announces its changes with, of another size."""
    return BackgroundPublisher(
        bus, lambda change, at: bus.event_message(event_of(change), at), name="kv", limit=limit
    )


async def test_it_is_a_kv(kv: KeyValue) -> None:
    """The assignment is checked by mypy."""
    contract: KV = kv
    assert contract is kv


async def test_ttl_left_out_is_the_default_and_zero_is_never(
    kv: KeyValue, clock: VirtualClock
) -> None:
    await kv.put("default", 1)
    await kv.put("never", 1, ttl_seconds=0)
    await kv.put("short", 1, ttl_seconds=0.5)
    default = await kv.entry("default")
    assert default is not None
    assert default.expires_in == 60
    await clock.advance(0.5)
    assert await kv.keys() == ["default", "never"]
    await clock.advance(59.5)
    assert await kv.keys() == ["never"]
    await clock.advance(1e6)
    assert await kv.get("never") == 1


@pytest.mark.parametrize(
    "ttl", [-1, -0.0001, 0.0009, float("nan"), float("inf"), 1e10, True, "60"], ids=repr
)
async def test_a_ttl_that_is_none_is_refused_with_the_mend(kv: KeyValue, ttl: Any) -> None:
    with pytest.raises(InvalidInput, match=r"ttl_seconds .*: write "):
        await kv.put("k", 1, ttl)
    assert await kv.get("k") is None


@pytest.mark.parametrize("key", ["", None, 5, "a" * 16_385, "ø" * 8_193, "\ud800"], ids=repr)
async def test_a_bad_key_is_refused_by_every_method(kv: KeyValue, key: Any) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: kv.get(key),
        lambda: kv.put(key, 1),
        lambda: kv.delete(key),
        lambda: kv.entry(key),
    ]
    for call in calls:
        with pytest.raises(InvalidInput, match="key"):
            await call()


@pytest.mark.parametrize("version", [-1, 1.0, True, "1"], ids=repr)
async def test_an_if_version_that_is_none_is_refused(kv: KeyValue, version: Any) -> None:
    with pytest.raises(InvalidInput, match="if_version"):
        await kv.put("k", 1, if_version=version)
    with pytest.raises(InvalidInput, match="if_version"):
        await kv.delete("k", if_version=version)


async def test_an_unknown_store_is_refused_with_those_that_exist(house: House) -> None:
    with pytest.raises(InvalidSettings, match=r"kv\.store 'sqlite'.*inmemory and redis"):
        build_kv("sqlite", bus=house.bus)


@pytest.mark.parametrize("ttl", [-1, 0.0001, float("nan")])
async def test_a_default_ttl_that_is_none_names_its_setting(house: House, ttl: float) -> None:
    with pytest.raises(InvalidSettings, match=r"kv\.default_ttl_seconds"):
        build_kv("inmemory", bus=house.bus, default_ttl_seconds=ttl)


async def test_a_redis_url_that_is_none_names_its_setting(house: House) -> None:
    with pytest.raises(InvalidSettings, match=r"kv\.redis\.url.*redis://host"):
        build_kv("redis", bus=house.bus, redis_url="http://127.0.0.1")


async def test_every_change_is_an_event_on_the_bus(
    kv: KeyValue, clock: VirtualClock, heard: list[dict[str, Any]]
) -> None:
    await kv.put("a/b+c", 1, ttl_seconds=5)
    await kv.put("a/b+c", 2, ttl_seconds=5)
    await kv.delete("a/b+c")
    await kv.put("k", 1, ttl_seconds=2)
    await clock.advance(2)
    await until(lambda: len(heard) == 5, "five events")
    assert len({event["data"].pop("store") for event in heard}) == 1
    assert [(event["topic"], event["data"]) for event in heard] == [
        ("dskity/kv/set/a/b%2Bc", _data("a/b+c", 1, 0, 5, "api")),
        ("dskity/kv/set/a/b%2Bc", _data("a/b+c", 2, 1, 5, "api")),
        ("dskity/kv/deleted/a/b%2Bc", _data("a/b+c", 2, 2, 5, "api")),
        ("dskity/kv/set/k", _data("k", 3, 0, 2, "api")),
        ("dskity/kv/expired/k", _data("k", 3, 3, 2, "ttl")),
    ]
    assert {event["qos"] for event in heard} == {1}


def _data(key: str, version: int, previous: int, ttl: float, cause: str) -> dict[str, Any]:
    return {
        "key": key,
        "version": version,
        "previous_version": previous,
        "ttl_seconds": ttl,
        "cause": cause,
    }


async def test_no_two_events_of_a_key_have_one_id_over_all_its_lives(
    kv: KeyValue, clock: VirtualClock, heard: list[dict[str, Any]]
) -> None:
    for _ in range(3):
        await kv.put("k", 1, ttl_seconds=1)
        await clock.advance(1)
        await kv.put("k", 1)
        await kv.delete("k")
    await until(lambda: len(heard) == 12, "twelve events")
    assert len({event["id"] for event in heard}) == 12


async def test_after_a_restart_the_same_versions_make_other_ids(
    house: House, clock: VirtualClock, heard: list[dict[str, Any]]
) -> None:
    """A store in memory begins at 1 again, and is another store."""
    for _ in range(2):
        kv = build_kv("inmemory", bus=house.bus, clock=clock)
        await kv.start()
        await kv.put("k", 1)
        await kv.stop()
    await until(lambda: len(heard) == 2, "two events")
    assert {event["data"]["version"] for event in heard} == {1}
    assert len({event["id"] for event in heard}) == 2


async def test_an_event_that_waits_keeps_the_time_of_its_change(
    kv: KeyValue, house: House, clock: VirtualClock, heard: list[dict[str, Any]]
) -> None:
    house.broker.stop()
    then = datetime.fromtimestamp(clock.time(), UTC)
    await kv.put("k", 1, ttl_seconds=0)
    await clock.advance(3600)
    house.broker.start()
    await until(lambda: heard, "the event")
    assert datetime.fromisoformat(heard[0]["time"]) == then


async def test_a_put_does_not_wait_for_an_absent_broker_and_its_event_comes_later(
    kv: KeyValue, house: House, heard: list[dict[str, Any]]
) -> None:
    house.broker.stop()
    for n in range(200):
        await asyncio.wait_for(kv.put("k", n), 1)
    house.broker.start()
    await until(lambda: len(heard) == 200, "all events arrive")
    assert [event["data"]["version"] for event in heard] == list(range(1, 201))
    assert kv.events.dropped == 0


async def test_of_more_events_than_the_bound_the_oldest_are_dropped_and_counted(
    house: House, heard: list[dict[str, Any]]
) -> None:
    events = publisher(house.bus, limit=3)
    for version in range(1, 6):
        events.put(StoreChange("set", "k", version, version - 1, None))
    assert events.dropped == 2
    events.start()
    await until(lambda: len(heard) == 3, "the newest three")
    await events.close()
    assert [event["data"]["version"] for event in heard] == [3, 4, 5]


async def test_keys_that_expire_all_at_once_are_each_published(
    house: House, clock: VirtualClock, heard: list[dict[str, Any]]
) -> None:
    """Three times as many as the queue takes: the store waits for it, and none is dropped."""
    store, events = MemoryStore(clock), publisher(house.bus, limit=2_000)

    def add(change: StoreChange) -> None:
        if change.kind == "expired":
            events.put(change)

    store.listen(add, lambda _: None, events.room)
    for n in range(6_000):
        await store.put(f"k{n}", 1, 10, None)
    events.start()
    await store.start()
    await clock.advance(10)
    await until(lambda: len(heard) >= 6_000, "all expire", within=30)
    assert events.dropped == 0
    assert len({event["id"] for event in heard}) == 6_000
    await store.stop()
    await events.close()


async def test_keys_expire_also_while_their_events_find_no_broker(
    kv: KeyValue, house: House, clock: VirtualClock
) -> None:
    house.broker.stop()
    watch = kv.watch("last")
    for n in range(20_000):
        await kv.put(f"k{n}", 1, ttl_seconds=10)
    await kv.put("last", 1, ttl_seconds=11)
    await clock.advance(11)
    assert [(await anext(watch)).kind for _ in range(2)] == ["set", "expired"]
    assert kv.events.dropped == 40_002 - EVENTS


async def test_stopping_publishes_what_waits(
    house: House, clock: VirtualClock, heard: list[dict[str, Any]]
) -> None:
    kv = build_kv("inmemory", bus=house.bus, clock=clock)
    await kv.start()
    for n in range(300):
        await kv.put(f"k{n}", n)
    await kv.stop()
    await until(lambda: len(heard) == 300, "all events")


async def test_stopping_does_not_wait_for_an_absent_broker(house: House, kv: KeyValue) -> None:
    house.broker.stop()
    await kv.put("k", 1)
    await asyncio.wait_for(kv.stop(), 0.5)


async def test_a_watch_yields_the_changes_under_its_prefix_from_its_making_on(
    kv: KeyValue, clock: VirtualClock
) -> None:
    await kv.put("a/before", 1)
    watch = kv.watch("a/")
    await kv.put("a/x", {"n": 1}, ttl_seconds=1)
    await kv.put("b/x", 1)
    await clock.advance(1)
    await kv.put("a/y", None)
    await kv.delete("a/y")
    assert [await anext(watch) for _ in range(4)] == [
        Change("set", "a/x", 1, {"n": 1}),
        Change("expired", "a/x", 1),
        Change("set", "a/y", 2, None),
        Change("deleted", "a/y", 2),
    ]
    await watch.aclose()
    assert [change async for change in watch] == []


async def test_a_watcher_that_does_not_read_loses_the_oldest(kv: KeyValue) -> None:
    watch = kv.watch()
    for n in range(LIMIT + 5):
        await kv.put("k", n)
    assert watch.dropped == 5
    assert (await anext(watch)).value == 5


async def test_a_watch_that_nobody_holds_is_forgotten(kv: KeyValue) -> None:
    assert await _first_change(kv) == Change("set", "k", 1, 1)
    await kv.put("k", 2)
    assert not kv._watchers._any


async def _first_change(kv: KeyValue) -> Change | None:
    watch = kv.watch()
    await kv.put("k", 1)
    async for change in watch:
        return change
    return None


async def test_stopping_ends_the_watchers_iterations(house: House, clock: VirtualClock) -> None:
    kv = build_kv("inmemory", bus=house.bus, clock=clock)
    watch = kv.watch()
    await kv.stop()
    assert [change async for change in watch] == []
