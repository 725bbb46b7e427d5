"""A Redis that goes away: said once a minute, shown by readiness, and over by itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.modules.kv.module import build_kv
from dskity.modules.kv.outage import LONGEST_PAUSE, Outage
from dskity.modules.kv.service import KeyValue
from tests.house_bus import memory_house
from tests.servers import HOST, free_port, redis_server
from tests.waiting import until


@asynccontextmanager
async def store_at(port: int) -> AsyncIterator[KeyValue]:
    """A started store on the Redis of that port."""
    async with memory_house() as house:
        kv = build_kv("redis", bus=house.bus, redis_url=f"redis://{HOST}:{port}/0")
        await kv.start()
        try:
            yield kv
        finally:
            await kv.stop()


async def test_a_redis_that_dies_is_told_and_one_that_comes_back_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One WARNING for the outage, one INFO for its end; readiness has the reason in between."""
    caplog.set_level(logging.INFO, "dskity.modules.kv")

    async def well() -> bool:
        return await kv.check() is None

    async def ill() -> bool:
        return "redis (kv.redis.url) cannot be used" in (await kv.check() or "")

    with redis_server() as redis:
        async with store_at(redis.port) as kv:
            assert await well()
            await kv.put("k", 1)
            await asyncio.to_thread(redis.stop)
            await until(ill, "the outage is seen")
            await asyncio.to_thread(redis.start)
            await until(well, "it is over")
            await kv.put("k", 2)
            assert await kv.get("k") == 2
    lines = [(r.levelname, r.getMessage()) for r in caplog.records]
    (warning, end) = lines
    assert warning[0] == "WARNING"
    assert warning[1].endswith("; trying again")
    assert end == ("INFO", "redis (kv.redis.url) is available again")


async def test_a_redis_that_was_never_there_is_told() -> None:
    """By the reason that a module gets, without the module having asked."""
    async with store_at(free_port()) as kv:

        async def refused() -> bool:
            return "Error 111" in (await kv.check() or "")

        await until(refused, "the outage is seen")


async def test_it_is_said_once_a_minute_and_tried_ever_more_rarely(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever the attempts fail by; after a success it begins anew."""
    caplog.set_level(logging.INFO, "dskity.modules.kv")
    clock = VirtualClock()
    outage = Outage("the server", clock)
    pauses = [outage.failed("feed", f"reason {n}") for n in range(7)]
    assert pauses == [0.5, 1, 2, 4, 8, LONGEST_PAUSE, LONGEST_PAUSE]
    assert outage.failed("sweep", "reason s") == 0.5
    assert [r.getMessage() for r in caplog.records] == ["reason 0; trying again"]
    await clock.advance(61)
    outage.failed("feed", "reason 8")
    assert len(caplog.records) == 2
    outage.works("feed")
    assert outage.reason == "reason s"
    outage.works("sweep")
    outage.works("sweep")
    assert outage.reason == ""
    assert [r.getMessage() for r in caplog.records[2:]] == ["the server is available again"]
    assert outage.failed("feed", "reason 9") == 0.5
    assert caplog.records[-1].getMessage() == "reason 9; trying again"
