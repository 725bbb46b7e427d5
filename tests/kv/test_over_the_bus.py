"""Requests to the store over the bus, and the module that answers them."""

from __future__ import annotations

import asyncio
import json
import types
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.bus.bus import Bus
from dskity.bus.errors import RemoteError
from dskity.bus.memory import CAPABILITIES, MemoryBroker
from dskity.bus.message import Message
from dskity.modules.contract import TransportClients
from dskity.modules.kv.module import KvModule, build_kv
from tests.house_bus import House, memory_house
from tests.waiting import until


@pytest.fixture
async def module(house: House, clock: VirtualClock) -> AsyncIterator[KvModule]:
    module = KvModule(build_kv("inmemory", bus=house.bus, clock=clock))
    clients = _clients(house.bus)
    await module.on_startup(clients)
    await until(lambda: len(house.bus.subscriptions) == 4, "the requests are subscribed")
    yield module
    await module.on_shutdown(clients)


def _clients(bus: Bus) -> TransportClients:
    return cast("TransportClients", types.SimpleNamespace(bus=bus))


async def _ask(bus: Bus, verb: str, **body: Any) -> Any:
    return json.loads((await bus.request(f"dskity/kv/{verb}", body)).payload)


async def test_the_store_is_reached_over_the_bus(module: KvModule, house: House) -> None:
    bus = house.bus
    assert await _ask(bus, "put", key="k", value={"a": None}, ttl_seconds=5) == {
        "key": "k",
        "stored": True,
        "version": 1,
    }
    assert await _ask(bus, "put", key="n", value=None, ttl_seconds=0, if_version=0) == {
        "key": "n",
        "stored": True,
        "version": 1,
    }
    assert await _ask(bus, "get", key="k") == {
        "key": "k",
        "value": {"a": None},
        "version": 1,
        "expires_in": 5.0,
    }
    assert (await _ask(bus, "get", key="n"))["expires_in"] is None
    assert await _ask(bus, "keys") == {"keys": ["k", "n"]}
    assert await _ask(bus, "keys", prefix="k") == {"keys": ["k"]}
    assert await _ask(bus, "delete", key="k") == {"key": "k", "deleted": True}
    assert await _ask(bus, "delete", key="k") == {"key": "k", "deleted": False}


@pytest.mark.parametrize(
    ("verb", "body", "status"),
    [
        ("get", {"key": "none"}, 404),
        ("get", {}, 422),
        ("get", {"key": ""}, 400),
        ("put", {"key": "k"}, 422),
        ("put", {"key": "k", "value": 1, "ttl_seconds": -1}, 400),
        ("put", {"key": "k", "value": 1, "if_version": 3}, 409),
        ("put", {"key": "k", "value": 1, "ttl": 3}, 422),
        ("delete", {"key": "k", "if_version": 3}, 409),
    ],
)
async def test_an_error_is_answered_as_a_problem(
    module: KvModule, house: House, verb: str, body: dict[str, Any], status: int
) -> None:
    with pytest.raises(RemoteError) as caught:
        await _ask(house.bus, verb, **body)
    assert caught.value.status == status
    assert caught.value.problem["status"] == status


@pytest.mark.parametrize(("shared", "answers"), [(True, 1), (False, 2)])
async def test_one_of_several_runtimes_answers_where_the_broker_can_share(
    *, shared: bool, answers: int
) -> None:
    broker = MemoryBroker(capabilities=CAPABILITIES.but(shared=shared))
    async with (
        memory_house(broker=broker, client_id="one") as one,
        memory_house(broker=broker, client_id="two") as two,
    ):
        modules = [KvModule(build_kv("inmemory", bus=house.bus)) for house in (one, two)]
        for module, house in zip(modules, (one, two), strict=True):
            await module.on_startup(_clients(house.bus))
        await until(lambda: len(one.bus.subscriptions + two.bus.subscriptions) == 8, "both serve")
        replies: list[Message] = []
        async with one.bus.stream("answers") as stream:
            await one.bus.send(
                Message("dskity/kv/put", b'{"key":"k","value":1}', reply_to="answers")
            )
            replies.append(await anext(stream))
            await one.bus.publish("answers", b"end")
            async for message in stream:
                if message.payload == b"end":
                    break
                replies.append(message)
        assert len(replies) == answers
        for module, house in zip(modules, (one, two), strict=True):
            await module.on_shutdown(_clients(house.bus))


async def test_it_starts_without_a_broker_and_serves_when_one_comes(clock: VirtualClock) -> None:
    broker = MemoryBroker(clock=clock)
    broker.stop()
    async with memory_house(broker=broker, clock=clock) as house:
        module = KvModule(build_kv("inmemory", bus=house.bus, clock=clock))
        await asyncio.wait_for(module.on_startup(_clients(house.bus)), 0.5)
        broker.start()
        await until(lambda: len(house.bus.subscriptions) == 4, "the requests are subscribed")
        assert await _ask(house.bus, "keys") == {"keys": []}
        await module.on_shutdown(_clients(house.bus))
