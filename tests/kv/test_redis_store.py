"""Redis shared by runtimes: one event per expiry, whoever lives; outages, and what is stored."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import pytest
from redis.asyncio import Redis

from dskity.bus.errors import DSkityError, StoreUnavailable
from dskity.bus.memory import MemoryBroker
from dskity.modules.kv.module import build_kv
from dskity.modules.kv.redis_store import RedisStore
from dskity.modules.kv.service import KeyValue
from dskity.modules.kv.store import StoreChange
from tests.house_bus import House, memory_house
from tests.servers import HOST, ServerProcess, free_port, redis_server
from tests.waiting import until

WRITER = """
import asyncio, sys, time
from dskity.modules.kv.redis_store import RedisStore

async def write():
    store = RedisStore(sys.argv[1], key_prefix=sys.argv[2])
    store.listen(lambda change: None, lambda change: None, None)
    for n in range(20):
        await store.put(f"dead/{n}", n, 0.5, None)
    print("written", flush=True)
    time.sleep(60)

asyncio.run(write())
"""


@asynccontextmanager
async def runtime(
    broker: MemoryBroker, name: str, url: str, prefix: str
) -> AsyncIterator[tuple[House, KeyValue]]:
    """A runtime's bus and store, as far as they matter here."""
    async with memory_house(broker=broker, client_id=name, publish_timeout=0.1) as house:
        kv = build_kv("redis", bus=house.bus, redis_url=url, redis_key_prefix=prefix)
        await kv.start()
        try:
            yield house, kv
        finally:
            await kv.stop()


async def expiries(house: House) -> list[dict[str, Any]]:
    """The `expired` events on a house's bus, as they come."""
    heard: list[dict[str, Any]] = []

    def note(delivery: Any, _: Any) -> None:
        heard.append(json.loads(delivery.payload))
        delivery.done()

    await house.bus.attach("dskity/kv/expired/#", note)
    return heard


async def test_two_runtimes_publish_one_event_for_each_expiry(redis_url: str, prefix: str) -> None:
    broker = MemoryBroker()
    async with AsyncExitStack() as stack:
        (house, one), (_, two) = [
            await stack.enter_async_context(runtime(broker, name, redis_url, prefix))
            for name in ("one", "two")
        ]
        heard = await expiries(house)
        for n in range(50):
            await (one if n % 2 else two).put(f"k/{n}", n, ttl_seconds=0.3)
        await two.put("mark", 1, ttl_seconds=0.5)
        await until(lambda: "mark" in [event["data"]["key"] for event in heard], "the last one")
        keys = sorted(event["data"]["key"] for event in heard)
        assert keys == sorted([*(f"k/{n}" for n in range(50)), "mark"])
        assert await one.keys() == []


async def test_what_one_runtime_writes_the_other_reads_and_watches(
    redis_url: str, prefix: str
) -> None:
    broker = MemoryBroker()
    async with AsyncExitStack() as stack:
        (_, one), (_, two) = [
            await stack.enter_async_context(runtime(broker, name, redis_url, prefix))
            for name in ("one", "two")
        ]
        watch = two.watch("k")
        change = asyncio.ensure_future(anext(watch))
        while not change.done():  # the feed opens a moment after the start
            version = await one.put("k", {"n": 1})
            await asyncio.wait((change,), timeout=0.02)
        assert (change.result().kind, change.result().value) == ("set", {"n": 1})
        assert await two.get("k") == {"n": 1}
        assert await two.put("k", 2, if_version=version) == version + 1
        assert await one.get("k") == 2


async def test_keys_of_a_killed_process_expire_with_an_event(redis_url: str, prefix: str) -> None:
    writer = await asyncio.to_thread(
        subprocess.Popen, (sys.executable, "-c", WRITER, redis_url, prefix), stdout=subprocess.PIPE
    )
    try:
        assert writer.stdout is not None
        assert await asyncio.to_thread(writer.stdout.readline) == b"written\n"
    finally:
        writer.kill()
        await asyncio.to_thread(writer.communicate)
    async with runtime(MemoryBroker(), "one", redis_url, prefix) as (house, _):
        heard = await expiries(house)
        await until(lambda: len(heard) >= 20, "all twenty expire")
        keys = [event["data"]["key"] for event in heard]
        assert sorted(keys) == sorted(f"dead/{n}" for n in range(20))


async def test_a_store_has_one_identity_for_all_and_another_when_it_was_emptied(
    prefix: str,
) -> None:
    """So that the ids of events, which are made of it, never come again with the versions."""
    made: list[StoreChange] = []
    with redis_server() as server:
        url = f"redis://{HOST}:{server.port}"
        stores = [RedisStore(url, key_prefix=prefix) for _ in range(2)]
        for store in stores:
            store.listen(made.append, lambda _: None, partial(asyncio.sleep, 0))
            await store.put("k", 1, None, None)
        async with Redis.from_url(url) as client:
            await client.flushall()
        for store in stores:
            await store.put("k", 1, None, None)
            await store.delete("k", None)
            await store.stop()
    assert [change.version for change in made] == [1, 2, 1, 1, 2, 2]
    before, after = {change.store for change in made[:2]}, {change.store for change in made[2:]}
    assert (len(before), len(after)) == (1, 1)
    assert before.isdisjoint(after)


async def test_an_expiry_waits_for_somebody_who_can_publish_it(redis_url: str, prefix: str) -> None:
    """A runtime without its broker leaves expired keys to others; nobody reads them meanwhile."""
    away, here = MemoryBroker(), MemoryBroker()
    async with runtime(away, "one", redis_url, prefix) as (_, one):
        away.stop()
        await one.put("k", 1, ttl_seconds=0.02)
        store = one._store
        assert isinstance(store, RedisStore)
        while entry := await one.entry("k"):  # noqa: ASYNC110  # its end is told nobody
            await asyncio.sleep(entry.expires_in or 0)
        async with Redis.from_url(redis_url) as client:
            assert await client.zcard(f"{prefix}:deadlines") == 1
        async with runtime(here, "two", redis_url, prefix) as (house, _):
            heard = await expiries(house)
            await until(lambda: heard, "the other one says it")
    assert [event["data"]["key"] for event in heard] == ["k"]


async def test_a_killed_redis_is_unavailable_at_once_and_heals_by_itself(prefix: str) -> None:
    with redis_server() as server:
        url = f"redis://{HOST}:{server.port}"
        async with runtime(MemoryBroker(), "one", url, prefix) as (house, kv):
            heard = await expiries(house)
            await kv.put("k", 1)
            server.kill()
            started = time.monotonic()
            for call in (kv.get("k"), kv.put("k", 1), kv.delete("k"), kv.keys(), kv.entry("k")):
                with pytest.raises(StoreUnavailable, match=r"kv\.redis\.url"):
                    await call
            assert time.monotonic() - started < 1
            await asyncio.to_thread(server.start)
            assert await kv.get("k") is None  # this one keeps nothing on disk
            await kv.put("k", 2, ttl_seconds=0.05)
            watch = kv.watch()
            await until(lambda: heard, "it sweeps again", within=5)
            change = asyncio.ensure_future(anext(watch))
            while not change.done():
                await kv.put("again", 1)
                await asyncio.wait((change,), timeout=0.05)


async def test_a_redis_that_does_not_answer_is_unavailable_within_two_seconds(prefix: str) -> None:
    with redis_server() as server:
        store = RedisStore(f"redis://{HOST}:{server.port}", key_prefix=prefix)
        store.listen(lambda _: None, lambda _: None, partial(asyncio.sleep, 0))
        await store.put("k", 1, None, None)
        server.pause()
        started = time.monotonic()
        try:
            calls = [store.get("k", None) for _ in range(40)]
            results = await asyncio.gather(*calls, return_exceptions=True)
        finally:
            server.proceed()
        assert {type(result) for result in results} == {StoreUnavailable}
        assert time.monotonic() - started < 2
        assert await store.get("k", None) == 1
        await store.stop()


async def test_it_starts_where_redis_is_not_there_yet(prefix: str) -> None:
    url = f"redis://{HOST}:{free_port()}"
    async with runtime(MemoryBroker(), "one", url, prefix) as (_, kv):
        with pytest.raises(StoreUnavailable):
            await kv.get("k")


async def test_a_value_outlives_its_deadline_in_redis_only_where_nobody_sweeps(
    redis_url: str, prefix: str
) -> None:
    store = RedisStore(redis_url, key_prefix=prefix)
    store.listen(lambda _: None, lambda _: None, partial(asyncio.sleep, 0))
    await store.put("k", 1, 30, None)
    await store.put("never", 1, None, None)
    async with Redis.from_url(redis_url) as client:
        day = 24 * 3_600_000
        assert day < await client.pttl(f"{prefix}:value:k") <= day + 30_001
        assert await client.pttl(f"{prefix}:value:never") == -1
        assert await client.zrange(f"{prefix}:deadlines", 0, -1) == [b"k"]
    await store.stop()


def told(**changes: object) -> bytes:
    """A change as the scripts publish it, but for these."""
    change = {"kind": "set", "key": "x", "version": 1, "previous": 0, "ttl": "", "value": "1"}
    return json.dumps({**change, "origin": "o", **changes}).encode()


GARBAGE = (
    b"\xff",
    b"{}",
    b'{"kind":"set","ttl":[]}',
    b"7",
    b"[" * 100_000,
    told(kind="other"),
    told(kind=[]),
    told(key=7),
    told(version="9" * 5000),
    told(ttl="nan"),
    told(value="{"),
    told(value="[" * 1000),
    told(origin=None),
)


async def test_strangers_keys_and_values_fail_alone(redis_url: str, prefix: str) -> None:
    """A value that is no JSON is an error of ours, a key that is no UTF-8 is listed escaped."""
    async with (
        runtime(MemoryBroker(), "one", redis_url, prefix) as (_, kv),
        Redis.from_url(redis_url) as client,
    ):
        await kv.put("bad", 1, ttl_seconds=0)
        await kv.put("good", 2, ttl_seconds=0)
        await client.hset(f"{prefix}:value:bad", "value", "[" * 1000)
        with pytest.raises(DSkityError, match="'bad' has no JSON"):
            await kv.get("bad")
        await client.set(f"{prefix}:value:\udcff".encode(errors="surrogateescape"), b"x")
        assert r"\xff" in await kv.keys()
        assert await kv.get("good") == 2


async def test_strangers_messages_on_the_channel_do_no_harm(
    shared_redis: ServerProcess, redis_url: str, prefix: str
) -> None:
    async with (
        runtime(MemoryBroker(), "one", redis_url, prefix) as (_, kv),
        Redis.from_url(redis_url) as client,
    ):
        watch = kv.watch()
        change = asyncio.ensure_future(anext(watch))
        while not change.done():
            for garbage in GARBAGE:
                await client.publish(f"{prefix}:changes", garbage)
            await kv.put("k", 1)
            await asyncio.wait((change,), timeout=0.02)
        assert change.result().key == "k"
