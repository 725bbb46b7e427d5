"""`clients.registry` on a broker in memory, in virtual time."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.bus.errors import InvalidInput, InvalidSettings, NotFound
from dskity.bus.memory import MemoryBroker
from dskity.bus.message import Message
from dskity.modules.contract import Registry
from dskity.modules.registry.service import ServiceRegistry
from tests.house_bus import House
from tests.registry.runtimes import Heard, runtime, state


async def test_it_is_a_registry(one: tuple[House, ServiceRegistry]) -> None:
    """The assignment is checked by mypy."""
    contract: Registry = one[1]
    assert contract is one[1]


async def test_an_instance_is_a_retained_entry_and_an_event(
    one: tuple[House, ServiceRegistry], heard: Heard, clock: VirtualClock
) -> None:
    await one[1].register("climate", "one", "http://one", {"version": "2"})
    await clock.advance(0)
    now = clock.time()
    assert heard.entries == {
        "climate/one": {
            "service": "climate",
            "instance": "one",
            "url": "http://one",
            "kind": "service",
            "metadata": {"version": "2"},
            "runtime": "one",
            "ttl_seconds": 60.0,
            "registered_at": now,
            "last_seen": now,
        }
    }
    assert heard.said == [("up", "one", "registered")]
    assert heard.events[0]["data"]["incarnation"] == now


async def test_every_runtime_knows_the_instances_of_all(
    one: tuple[House, ServiceRegistry], two: tuple[House, ServiceRegistry], clock: VirtualClock
) -> None:
    await one[1].register("climate", "one", "http://one")
    await two[1].register("climate", "two", "http://two")
    await two[1].register("a b+c#", "d%", "x", kind="device")
    await clock.advance(0)
    for registry in (one[1], two[1]):
        assert registry.services() == ["a b+c#", "climate"]
        assert [i.instance for i in registry.instances("climate")] == ["one", "two"]
        assert [i.kind for i in registry.instances("a b+c#")] == ["device"]
        assert registry.instances("none") == []


async def test_who_starts_later_knows_at_once(
    one: tuple[House, ServiceRegistry],
    broker: MemoryBroker,
    clock: VirtualClock,
    stack: AsyncExitStack,
) -> None:
    await one[1].register("climate", "one", "http://one")
    await clock.advance(70)
    _, late = await stack.enter_async_context(runtime(broker, "late", clock))
    await clock.advance(0)
    assert late.resolve("climate").url == "http://one"


async def test_resolve_goes_round_the_others_and_never_to_itself(
    one: tuple[House, ServiceRegistry], two: tuple[House, ServiceRegistry], clock: VirtualClock
) -> None:
    await one[1].register("climate", "own", "http://own")
    for name in ("a", "b", "c"):
        await two[1].register("climate", name, f"http://{name}")
    await clock.advance(0)
    assert [one[1].resolve("climate").instance for _ in range(5)] == ["a", "b", "c", "a", "b"]
    assert two[1].resolve("climate").instance == "own"
    with pytest.raises(NotFound, match="no live instance of 'none'"):
        one[1].resolve("none")


async def test_a_heartbeat_keeps_an_instance_up(
    one: tuple[House, ServiceRegistry],
    two: tuple[House, ServiceRegistry],
    heard: Heard,
    clock: VirtualClock,
) -> None:
    """Every third of the time to live, or oftener where the settings say so."""
    await one[1].register("climate", "one", "http://one")
    await one[1].register("quick", "one", "http://one", ttl_seconds=3)
    await clock.advance(70)
    assert two[1].services() == ["climate", "quick"]
    assert clock.time() - heard.entries["climate/one"]["last_seen"] <= 20.5
    assert clock.time() - heard.entries["quick/one"]["last_seen"] <= 1.5
    assert len(heard.said) == 2


async def test_a_goodbye_is_said_by_the_one_who_goes(
    one: tuple[House, ServiceRegistry],
    two: tuple[House, ServiceRegistry],
    heard: Heard,
    clock: VirtualClock,
) -> None:
    await one[1].register("climate", "a", "http://a")
    await one[1].register("climate", "b", "http://b")
    assert await one[1].deregister("climate", "a") is True
    assert await one[1].deregister("climate", "a") is False
    await one[1].stop()
    await clock.advance(30)
    assert heard.said[2:] == [("down", "a", "deregistered"), ("down", "b", "stopped")]
    assert heard.entries == {}
    assert two[1].services() == []


async def test_a_lost_runtimes_instances_go_down_once_after_the_grace(
    one: tuple[House, ServiceRegistry],
    two: tuple[House, ServiceRegistry],
    broker: MemoryBroker,
    heard: Heard,
    clock: VirtualClock,
    stack: AsyncExitStack,
) -> None:
    house, lost = await stack.enter_async_context(runtime(broker, "lost", clock))
    await one[1].register("climate", "one", "http://one")
    await two[1].register("climate", "two", "http://two")
    for name in ("x", "y"):
        await lost.register("climate", name, f"http://{name}")
    house.transport.kill()
    await clock.advance(1.9)
    assert len(heard.said) == 4
    assert len(one[1].instances("climate")) == 4
    await clock.advance(0.6)
    assert sorted(heard.said[4:]) == [("down", "x", "lost"), ("down", "y", "lost")]
    assert sorted(heard.entries) == ["climate/one", "climate/two"]
    for registry in (one[1], two[1]):
        assert [i.instance for i in registry.instances("climate")] == ["one", "two"]
    await clock.advance(30)
    assert len(heard.said) == 6


async def test_a_blip_of_the_connection_makes_no_down(
    one: tuple[House, ServiceRegistry],
    two: tuple[House, ServiceRegistry],
    heard: Heard,
    clock: VirtualClock,
) -> None:
    await one[1].register("climate", "one", "http://one")
    one[0].transport.cut()
    await clock.advance(65)
    assert heard.said == [("up", "one", "registered")]
    assert two[1].resolve("climate").instance == "one"


async def test_who_was_taken_for_lost_and_returns_is_up_again(
    one: tuple[House, ServiceRegistry],
    two: tuple[House, ServiceRegistry],
    heard: Heard,
    clock: VirtualClock,
) -> None:
    await two[1].register("climate", "two", "http://two")
    one[0].transport.lose("the cable was pulled")
    await clock.advance(1)
    await one[1].register("climate", "early", "http://early")  # waits for the connection
    await clock.advance(9)
    one[0].transport.connect_soon()
    await clock.advance(0.5)
    two[0].transport.lose("the cable was pulled")
    await clock.advance(10)
    assert heard.facts == [
        ("up", "two", "registered"),
        ("up", "early", "registered"),
        ("down", "two", "lost"),
    ]
    assert one[1].instances("climate")[0].instance == "early"
    assert len(one[1].instances("climate")) == 1
    two[0].transport.connect_soon()
    await clock.advance(2)
    assert heard.facts[3:] == [("up", "two", "registered")]
    assert len(one[1].instances("climate")) == 2


async def test_a_runtime_that_falls_silent_expires(
    one: tuple[House, ServiceRegistry],
    broker: MemoryBroker,
    heard: Heard,
    clock: VirtualClock,
    stack: AsyncExitStack,
) -> None:
    """As one that hangs does: its connection stands, and no will is sent."""
    _, hanging = await stack.enter_async_context(runtime(broker, "hanging", clock))
    await hanging.register("climate", "h", "http://h", ttl_seconds=10)
    await clock.advance(0)
    await hanging._tasks.close()
    await clock.advance(9)
    assert one[1].services() == ["climate"]
    await clock.advance(5)
    assert heard.said == [("up", "h", "registered"), ("down", "h", "expired")]
    assert heard.entries == {}
    assert one[1].services() == []


async def test_stale_entries_that_a_starting_runtime_finds_are_expired_and_cleared(
    broker: MemoryBroker, heard: Heard, clock: VirtualClock, stack: AsyncExitStack
) -> None:
    """On MQTT 3.1.1, where the broker keeps them for ever."""
    broker.publish(state("ghost", "ready"))
    old = {
        "url": "http://old",
        "runtime": "ghost",
        "ttl_seconds": 60,
        "registered_at": 1.5,
        "last_seen": 2.0,
    }
    broker.publish(_retained("dskity/registry/climate/old", old))
    _, registry = await stack.enter_async_context(runtime(broker, "one", clock))
    await clock.advance(0)
    assert registry.services() == []
    await clock.advance(3)
    assert heard.said == [("down", "old", "expired")]
    assert heard.events[0]["data"]["incarnation"] == 1.5
    assert heard.entries == {}


async def test_a_lost_runtime_that_nobody_survived_is_reported_by_the_next(
    broker: MemoryBroker, heard: Heard, clock: VirtualClock, stack: AsyncExitStack
) -> None:
    async with AsyncExitStack() as first:
        house, registry = await first.enter_async_context(runtime(broker, "first", clock))
        await registry.register("climate", "f", "http://f")
        house.transport.kill()
    await stack.enter_async_context(runtime(broker, "second", clock))
    await clock.advance(3)
    assert heard.said == [("up", "f", "registered"), ("down", "f", "lost")]
    assert heard.entries == {}


async def test_a_runtime_that_restarts_ends_its_former_life_before_the_new_one(
    broker: MemoryBroker, heard: Heard, clock: VirtualClock, stack: AsyncExitStack
) -> None:
    async with AsyncExitStack() as first:
        house, registry = await first.enter_async_context(runtime(broker, "one", clock))
        await registry.register("climate", "one", "http://one")
        await registry.register("gone", "one", "http://one")
        house.transport.kill()
    await clock.advance(1)
    _, again = await stack.enter_async_context(runtime(broker, "one", clock))
    again.announce("climate", "one", "http://one")
    await clock.advance(3)
    up, down = ("up", "one", "registered"), ("down", "one", "lost")
    assert heard.facts == [up, up, down, down, up]
    assert list(heard.entries) == ["climate/one"]
    assert len({event["id"] for event in heard.events}) == 5


async def test_a_broker_that_forgot_everything_is_told_again(
    one: tuple[House, ServiceRegistry],
    two: tuple[House, ServiceRegistry],
    broker: MemoryBroker,
    heard: Heard,
    clock: VirtualClock,
) -> None:
    await one[1].register("climate", "one", "http://one")
    await clock.advance(1)
    broker.stop()
    for message, _ in tuple(broker.retained.matching("#")):
        broker.retained.put(replace(message, payload=b""), None)
    heard.entries.clear()
    await clock.advance(65)  # longer than the time to live
    broker.start()
    await clock.advance(3)
    assert list(heard.entries) == ["climate/one"]
    assert two[1].resolve("climate").instance == "one"
    assert {said[0] for said in heard.said} == {"up"}


async def test_an_absent_broker_does_not_hold_up_the_start(
    broker: MemoryBroker, clock: VirtualClock, heard: Heard, stack: AsyncExitStack
) -> None:
    broker.stop()
    _, registry = await stack.enter_async_context(runtime(broker, "one", clock))
    await asyncio.wait_for(registry.register("climate", "one", "http://one"), 0.5)
    assert registry.services() == ["climate"]
    await clock.advance(10)
    broker.start()
    await clock.advance(1)
    assert heard.said == [("up", "one", "registered")]
    assert list(heard.entries) == ["climate/one"]


async def test_an_absent_broker_does_not_hold_up_the_stop(
    one: tuple[House, ServiceRegistry], broker: MemoryBroker
) -> None:
    await one[1].register("climate", "one", "http://one")
    broker.stop()
    await asyncio.wait_for(one[1].stop(), 0.5)


@pytest.mark.parametrize(
    ("service", "instance"), [("", "i"), ("s", ""), ("a/b", "i"), ("s", "a/b")]
)
async def test_a_name_that_is_no_level_of_a_topic_is_refused(
    one: tuple[House, ServiceRegistry], service: str, instance: str
) -> None:
    for name in ("a\n", "a\x1b", "\ud800"):
        with pytest.raises(InvalidInput, match=r"U\+"):
            await one[1].register(name, "i", "")
        with pytest.raises(InvalidInput, match=r"U\+"):
            await one[1].register("s", name, "")
    with pytest.raises(InvalidInput, match="without '/'"):
        await one[1].register(service, instance, "")


@pytest.mark.parametrize("ttl", [0, -1, 0.5, float("nan"), float("inf")])
async def test_a_time_to_live_that_is_none_is_refused(
    one: tuple[House, ServiceRegistry], ttl: float
) -> None:
    with pytest.raises(InvalidInput, match="ttl_seconds"):
        await one[1].register("s", "i", "", ttl_seconds=ttl)
    with pytest.raises(InvalidSettings, match=r"common\.registry\.ttl_seconds"):
        ServiceRegistry(one[0].bus, ttl_seconds=ttl)


def _retained(topic: str, body: dict[str, object]) -> Message:
    return Message(topic, json.dumps(body).encode(), retain=True)
