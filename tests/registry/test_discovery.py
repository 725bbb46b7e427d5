"""`{root}/services/…`: every instance answers for itself, and only if it is asked."""

from __future__ import annotations

import json
import types
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from dskity.bus.bus import Bus
from dskity.bus.memory import MemoryBroker
from dskity.bus.message import Message
from dskity.modules.contract import TransportClients
from dskity.modules.registry.module import RegistryModule
from dskity.modules.registry.service import ServiceRegistry
from tests.house_bus import memory_house


async def ask(bus: Bus, topic: str) -> list[dict[str, Any]]:
    """All answers to a request: those that come before the answer to a ping that is sent after."""
    answers = []
    async with bus.stream("answers/#") as stream:
        await bus.send(Message(f"dskity/services/{topic}", reply_to="answers/wanted"))
        await bus.send(Message("dskity/services/ping/mark", reply_to="answers/end"))
        ends = 0
        async for message in stream:
            if message.topic == "answers/end":
                ends += 1
                if ends == 2:  # from both runtimes
                    break
            else:
                answers.append(json.loads(message.payload))
    return sorted(answers, key=lambda answer: (answer["service"], answer["instance"]))


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    """A bus of one of two runtimes, each with a module `climate`; one has `vent` too."""
    broker = MemoryBroker()
    async with (
        memory_house(broker=broker, client_id="one") as one,
        memory_house(broker=broker, client_id="two") as two,
    ):
        modules = []
        for house in (one, two):
            registry = ServiceRegistry(house.bus)
            registry.announce("climate", house.bus.client_id, "http://x", {"version": "1.2"})
            registry.announce("mark", house.bus.client_id, "")
            module = RegistryModule(registry)
            clients = cast(
                "TransportClients", types.SimpleNamespace(bus=house.bus.scope("registry"))
            )
            await module.on_startup(clients)
            modules.append((module, clients))
            if house is one:
                registry.announce("vent", "one", "http://x")
                await house.bus.scope("vent").subscribe("devices/{device}/open", _open)
        yield one.bus
        for module, clients in modules:
            await module.on_shutdown(clients)


async def _open(device: str) -> dict[str, str]:
    return {"opened": device}


async def test_a_ping_is_answered_by_every_instance(bus: Bus) -> None:
    answers = await ask(bus, "ping")
    assert [(a["service"], a["instance"]) for a in answers] == [
        ("climate", "one"),
        ("climate", "two"),
        ("mark", "one"),
        ("mark", "two"),
        ("vent", "one"),
    ]
    assert answers[0] == {
        "type": "dev.dskity.services.ping.v1",
        "service": "climate",
        "instance": "one",
        "version": "1.2",
        "metadata": {"version": "1.2"},
    }


async def test_a_service_is_asked_by_its_name_and_others_are_silent(bus: Bus) -> None:
    assert [a["instance"] for a in await ask(bus, "ping/climate")] == ["one", "two"]
    assert await ask(bus, "ping/none") == []
    assert await ask(bus, "pong") == []


async def test_info_tells_where_and_what_it_handles(bus: Bus) -> None:
    [info] = await ask(bus, "info/vent")
    assert info["type"] == "dev.dskity.services.info.v1"
    assert (info["url"], info["kind"], info["runtime"]) == ("http://x", "service", "one")
    [endpoint] = info["endpoints"]
    assert endpoint["filter"] == "devices/{device}/open"
    assert endpoint["handler"].startswith("vent.")
    assert info["registered_at"] > 0


async def test_stats_count_what_each_handler_did(bus: Bus) -> None:
    await bus.request("devices/d/open")
    [stats] = await ask(bus, "stats/vent")
    [endpoint] = stats["endpoints"]
    assert stats["uptime_seconds"] >= 0
    assert endpoint["filter"] == "devices/{device}/open"
    assert (endpoint["handled"], endpoint["failed"]) == (1, 0)


async def test_a_plain_request_takes_the_first_answer(bus: Bus) -> None:
    reply = await bus.request("dskity/services/ping/climate")
    assert json.loads(reply.payload)["service"] == "climate"
