"""A Redis at its `maxmemory`: what it refuses has changed nothing, and no event is lost."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from dskity.bus.errors import StoreUnavailable
from dskity.bus.memory import MemoryBroker
from tests.kv.test_redis_store import expiries, runtime
from tests.servers import HOST, redis_server
from tests.waiting import until


async def test_an_expiry_while_redis_has_no_memory_is_told_when_it_has(prefix: str) -> None:
    """Once; readiness gives the reason meanwhile, and a write is an error."""
    with redis_server(("maxmemory-policy noeviction",)) as server:
        url = f"redis://{HOST}:{server.port}/0"
        client = Redis.from_url(url)
        async with runtime(MemoryBroker(), "box", url, prefix) as (house, kv):
            heard = await expiries(house)
            await kv.put("first", 1, ttl_seconds=0)
            await kv.put("k", 1, ttl_seconds=0.3)
            await client.config_set("maxmemory", "1")
            try:

                async def seen() -> bool:
                    return "maxmemory" in (await kv.check() or "")

                await until(seen, "readiness says so")
                with pytest.raises(StoreUnavailable, match="maxmemory"):
                    await kv.put("k", 2)  # finds that it has expired
                with pytest.raises(StoreUnavailable, match="maxmemory"):
                    await kv.delete("first")
                assert await kv.get("first") == 1
                assert await kv.get("k", "gone") == "gone"
                assert heard == []
            finally:
                await client.config_set("maxmemory", "0")
            await until(lambda: len(heard) == 1, "the event")
            assert heard[0]["subject"] == "k/1"  # key and version

            async def well() -> bool:
                return await kv.check() is None

            await until(well, "readiness is well")
            assert len(heard) == 1
        await client.aclose()
