"""Entries that change, that others make and clear, and that are none."""

from __future__ import annotations

import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.bus.memory import MemoryBroker
from dskity.bus.message import Message
from dskity.modules.registry.service import ServiceRegistry
from tests.house_bus import House
from tests.registry.runtimes import Heard
from tests.registry.test_service import _retained


async def test_a_device_with_an_entry_of_its_own_comes_and_goes(
    one: tuple[House, ServiceRegistry],
    two: tuple[House, ServiceRegistry],
    broker: MemoryBroker,
    heard: Heard,
    clock: VirtualClock,
) -> None:
    await one[1].register("s", "one", "")
    await two[1].register("s", "two", "")
    await clock.advance(1)
    broker.publish(_retained("dskity/registry/thermometer/t1", {"kind": "device"}))
    await clock.advance(70)
    assert [i.kind for i in one[1].instances("thermometer")] == ["device"]
    assert two[1].resolve("thermometer").instance == "t1"
    broker.publish(Message("dskity/registry/thermometer/t1", b"", retain=True))
    await clock.advance(1)
    assert one[1].instances("thermometer") == []
    assert heard.said[2:] == [("up", "t1", "registered"), ("down", "t1", "deregistered")]


async def test_registering_again_changes_the_entry_and_is_no_new_life(
    one: tuple[House, ServiceRegistry], heard: Heard, clock: VirtualClock
) -> None:
    first = await one[1].register("climate", "one", "http://old")
    await clock.advance(5)
    second = await one[1].register("climate", "one", "http://new")
    await clock.advance(1)
    assert second.registered_at == first.registered_at
    assert heard.entries["climate/one"]["url"] == "http://new"
    assert len(heard.said) == 1


async def test_registering_after_deregistering_is_a_new_life(
    one: tuple[House, ServiceRegistry], heard: Heard, clock: VirtualClock
) -> None:
    await one[1].register("climate", "one", "http://one")
    await clock.advance(1)
    await one[1].deregister("climate", "one")
    await one[1].register("climate", "one", "http://one")
    await clock.advance(10)
    assert heard.said == [
        ("up", "one", "registered"),
        ("down", "one", "deregistered"),
        ("up", "one", "registered"),
    ]
    assert list(heard.entries) == ["climate/one"]


async def test_an_entry_that_a_stranger_cleared_is_restored(
    one: tuple[House, ServiceRegistry], broker: MemoryBroker, heard: Heard, clock: VirtualClock
) -> None:
    await one[1].register("climate", "one", "http://one")
    await clock.advance(1)
    broker.publish(Message("dskity/registry/climate/one", b"", retain=True))
    await clock.advance(2)
    assert list(heard.entries) == ["climate/one"]
    assert len({event["id"] for event in heard.events}) == 2


@pytest.mark.parametrize("junk", [b"{}", b'{"celsius": 21.5}', b'{"kind": "service"}'])
async def test_an_object_without_a_url_is_no_service(
    one: tuple[House, ServiceRegistry],
    broker: MemoryBroker,
    clock: VirtualClock,
    caplog: pytest.LogCaptureFixture,
    junk: bytes,
) -> None:
    """The log says so 20 times a minute at most, and how many it has left out; a device needs no
    url."""
    for number in range(30):
        broker.publish(Message(f"dskity/registry/junk/{number}", junk, retain=True))
    broker.publish(Message("dskity/registry/meter/m1", b'{"kind": "device"}', retain=True))
    await clock.advance(5)
    assert one[1].services() == ["meter"]
    lines = [line for line in caplog.messages if "neither a url nor a kind" in line]
    assert len(lines) == 20
    await clock.advance(60)
    broker.publish(Message("dskity/registry/junk/x", junk, retain=True))
    await clock.advance(1)
    assert "10 lines like this one were not logged" in caplog.text


@pytest.mark.parametrize("payload", [b"\xff", b"[]", b"{", b'{"ttl_seconds":-1}', b'{"url":7}'])
async def test_garbage_in_the_tree_does_no_harm(
    one: tuple[House, ServiceRegistry], broker: MemoryBroker, clock: VirtualClock, payload: bytes
) -> None:
    broker.publish(Message("dskity/registry/climate/bad", payload, retain=True))
    broker.publish(Message("dskity/runtime/bad/state", payload, retain=True))
    await clock.advance(5)
    assert one[1].services() == []
    await one[1].register("climate", "one", "http://one")
    assert one[1].services() == ["climate"]
