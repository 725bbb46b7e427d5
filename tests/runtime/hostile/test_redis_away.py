"""A runtime whose Redis is away: readiness says so, until it is there."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.runtime.house import started
from tests.servers import HOST, redis_server
from tests.waiting import until


async def test_readiness_has_the_reason_until_redis_is_there(tmp_path: Path) -> None:
    """As the check `kv`, and no other; the start does not wait for it."""
    with redis_server() as redis:
        redis.stop()
        kv = {"store": "redis", "redis": {"url": f"redis://{HOST}:{redis.port}/0"}}
        async with started(tmp_path, broker={"engine": "builtin"}, kv=kv) as house:

            async def unready() -> bool:
                return list(await house.unready()) == ["kv"]

            async def ready() -> bool:
                return not await house.unready()

            await until(unready, "it is told")
            assert "redis (kv.redis.url) cannot be used" in (await house.unready())["kv"]
            await asyncio.to_thread(redis.start)
            await until(ready, "it heals by itself", within=20)
