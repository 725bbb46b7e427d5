"""A Redis for all tests of the store and a key prefix for each; a service on a bus in memory."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.modules.kv.module import build_kv
from dskity.modules.kv.service import KeyValue
from tests.house_bus import House, memory_house
from tests.servers import HOST, ServerProcess, redis_server

_prefixes = itertools.count()


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[ServerProcess]:
    """One Redis; each test has its own prefix in it."""
    with redis_server() as server:
        yield server


@pytest.fixture
def redis_url(shared_redis: ServerProcess) -> str:
    """Where it is."""
    return f"redis://{HOST}:{shared_redis.port}/0"


@pytest.fixture
def prefix() -> str:
    """A key prefix that no other test has; `*` and `[` must mean themselves."""
    return f"test[*]{next(_prefixes)}"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
async def house(clock: VirtualClock) -> AsyncIterator[House]:
    async with memory_house(clock=clock, publish_timeout=0.05) as house:
        yield house


@pytest.fixture
async def kv(house: House, clock: VirtualClock) -> AsyncIterator[KeyValue]:
    kv = build_kv("inmemory", bus=house.bus, clock=clock)
    await kv.start()
    yield kv
    await kv.stop()


@pytest.fixture
async def heard(house: House) -> list[dict[str, Any]]:
    """The events on the bus."""
    heard: list[dict[str, Any]] = []
    for kind in ("set", "deleted", "expired"):
        await house.bus.attach(f"dskity/kv/{kind}/#", lambda delivery, _: _note(delivery, heard))
    return heard


def _note(delivery: Any, heard: list[dict[str, Any]]) -> None:
    heard.append(json.loads(delivery.payload) | {"topic": delivery.topic, "qos": delivery.qos})
    delivery.done()
