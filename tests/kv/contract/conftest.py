"""Every store, with what it reports, and a way to let time pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import pytest
from redis.asyncio import Redis

from dskity.bus.base.clock import VirtualClock
from dskity.modules.kv.memory_store import MemoryStore
from dskity.modules.kv.redis_store import RedisStore
from dskity.modules.kv.store import Store, StoreChange
from tests.waiting import until


@dataclass
class Harness:
    """A started store; `made` and `seen` are what it reported, `passes` lets its time pass."""

    store: Store
    passes: Callable[[float], Awaitable[None]]
    made: list[StoreChange] = field(default_factory=list)
    seen: list[StoreChange] = field(default_factory=list)

    async def put(
        self, key: str, value: object = 1, ttl: float | None = None, if_version: int | None = None
    ) -> int:
        """As the store's, with defaults."""
        return await self.store.put(key, value, ttl, if_version)

    def kinds(self, key: str) -> list[tuple[str, int]]:
        """What was made of a key: kinds and versions."""
        return [(change.kind, change.version) for change in self.made if change.key == key]

    async def expired(self, key: str, version: int) -> None:
        """Wait until the end of a key is reported."""
        await until(lambda: ("expired", version) in self.kinds(key), f"{key} expires")


@pytest.fixture(params=["inmemory", "redis"])
async def harness(request: pytest.FixtureRequest, prefix: str) -> AsyncIterator[Harness]:
    """Each test of the contract runs with each store."""
    async with _harness(request, prefix) as harness:
        yield harness


@pytest.fixture(params=["inmemory", "redis"])
async def telling(request: pytest.FixtureRequest, prefix: str) -> AsyncIterator[Harness]:
    """Each store, as one that tells the last value of a key."""
    async with _harness(request, prefix, last_values=True) as harness:
        yield harness


@asynccontextmanager
async def _harness(
    request: pytest.FixtureRequest, prefix: str, *, last_values: bool = False
) -> AsyncIterator[Harness]:
    if request.param == "inmemory":
        clock = VirtualClock()
        harness = Harness(MemoryStore(clock, last_values=last_values), clock.advance)
        async with _started(harness):
            yield harness
        return
    url = request.getfixturevalue("redis_url")
    async with Redis.from_url(url) as client:
        store = RedisStore(url, key_prefix=prefix, last_values=last_values)
        harness = Harness(store, _redis_time(client))
        async with _started(harness):
            yield harness


class _started:  # noqa: N801  # reads as what it is used for: `async with _started(…)`
    def __init__(self, harness: Harness) -> None:
        self._harness = harness

    async def __aenter__(self) -> None:
        harness = self._harness
        harness.store.listen(harness.made.append, harness.seen.append, partial(asyncio.sleep, 0))
        await self._harness.store.start()

    async def __aexit__(self, *_: object) -> None:
        await self._harness.store.stop()


def _redis_time(client: Redis) -> Callable[[float], Awaitable[None]]:
    async def passes(seconds: float) -> None:
        async def now() -> float:
            whole, micro = await client.time()
            return float(whole) + float(micro) / 1e6

        end = await now() + seconds
        while (left := end - await now()) > 0:  # noqa: ASYNC110  # its clock tells nobody
            await asyncio.sleep(left)

    return passes
