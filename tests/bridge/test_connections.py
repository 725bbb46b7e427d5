"""Named connections without a bridge: modules and publishes choose a broker by its name."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, ClassVar

import pytest

from dskity.bus.base.tasks import TaskHealth
from dskity.bus.bus import Bus
from dskity.bus.errors import InvalidInput
from dskity.composition.readiness import Readiness
from dskity.handlers import Dedupe
from dskity.modules import Module, ModuleMeta, on
from tests.bridge.sites import Sites, witness
from tests.waiting import until


class Relay(Module):
    """Hears two brokers."""

    meta: ClassVar[ModuleMeta] = ModuleMeta(name="relay")

    def __init__(self) -> None:
        self.heard: list[str] = []

    @on("orders/{number}", connection="cloud")
    async def order(self, number: str, bus: Bus) -> None:
        self.heard.append(f"cloud {number}")
        await bus.publish(f"taken/{number}")
        await bus.publish(f"machine/{number}", connection="default")

    @on("machine/{number}")
    async def machine(self, number: str) -> None:
        self.heard.append(f"edge {number}")


class Slow(Module):
    """One handler on one filter of two brokers, with what the disk adds."""

    meta: ClassVar[ModuleMeta] = ModuleMeta(name="slow")

    def __init__(self) -> None:
        self.handled: list[Any] = []

    @on("stored", ack="stored")
    @on("stored", ack="stored", connection="cloud")
    async def stored(self, payload: Any) -> None:
        self.handled.append(payload)

    @on("once", dedupe=Dedupe("id"))
    @on("once", dedupe=Dedupe("id"), connection="cloud")
    async def once(self, payload: Any) -> None:
        self.handled.append(payload)


class Lost(Module):
    """Names a connection that is not there."""

    meta: ClassVar[ModuleMeta] = ModuleMeta(name="lost")

    @on("x", connection="clowd")
    async def never(self, payload: bytes) -> None:
        raise AssertionError(payload)


async def test_a_route_hears_the_broker_that_it_names(tmp_path: Path) -> None:
    """And the bus that its handler is given is that broker's."""
    sites, relay = Sites(), Relay()
    async with (
        witness(sites.cloud) as cloud,
        witness(sites.edge) as edge,
        sites.runtime(tmp_path, modules=[relay]),
    ):
        await edge.bus.publish("orders/1")
        await cloud.bus.publish("orders/2")
        await until(lambda: len(relay.heard) == 2, "both brokers heard")
        assert relay.heard == ["cloud 2", "edge 2"]
        await until(lambda: "taken/2" in cloud.topics, "an answer at the cloud")
        assert edge.topics == ["orders/1", "machine/2"]


async def test_a_publish_goes_to_the_broker_that_it_names(tmp_path: Path) -> None:
    sites = Sites()
    async with (
        witness(sites.cloud) as cloud,
        witness(sites.edge) as edge,
        sites.runtime(tmp_path) as runtime,
    ):
        receipt = await runtime.bus.publish("to/cloud", connection="cloud")
        assert receipt.accepted == "broker"
        await runtime.bus.publish("to/edge", connection="default")
        await cloud.saw(1)
        await edge.saw(1)
        assert (cloud.topics, edge.topics) == (["to/cloud"], ["to/edge"])
        with pytest.raises(InvalidInput, match="no connection 'clowd': `mqtt` in the settings"):
            await runtime.bus.publish("x", connection="clowd")


async def test_each_connection_has_an_outbox_of_its_own(tmp_path: Path) -> None:
    """One broker that is away holds up nothing that goes to another."""
    sites = Sites()
    sites.cloud.stop()
    async with sites.runtime(tmp_path) as runtime:
        kept = await runtime.bus.publish("a", connection="cloud")
        sent = await runtime.bus.publish("a")
        assert (kept.accepted, sent.accepted) == ("outbox", "broker")


async def test_handlers_of_two_brokers_share_no_stored_messages_and_one_memory(
    tmp_path: Path,
) -> None:
    sites, slow = Sites(), Slow()
    async with (
        witness(sites.cloud, "nothing") as cloud,
        witness(sites.edge, "nothing") as edge,
        sites.runtime(tmp_path, modules=[slow]) as runtime,
    ):
        in_flight = runtime.core.dispatcher.in_flight
        for number in range(20):
            await edge.bus.publish("stored", number)
            await cloud.bus.publish("stored", 100 + number)
        await until(lambda: len(slow.handled) >= 40, "all handled")
        assert sorted(slow.handled) == [*range(20), *range(100, 120)]
        slow.handled.clear()
        await edge.bus.publish("once", {"id": 7})
        await until(lambda: slow.handled and not in_flight.messages, "it is handled and remembered")
        await cloud.bus.publish("once", {"id": 7})
        await cloud.bus.publish("once", {"id": 8})
        await until(lambda: {"id": 8} in slow.handled, "the last one handled")
        assert slow.handled == [{"id": 7}, {"id": 8}]


async def test_an_unknown_connection_fails_its_module_only(tmp_path: Path) -> None:
    sites = Sites()
    async with sites.runtime(tmp_path, modules=[Lost(), Relay()]) as runtime:
        states = runtime.supervisor.states()
        assert states["lost"].state == "failed"
        assert "no connection 'clowd'" in states["lost"].reason
        assert states["relay"].state == "started"


async def test_a_suspended_module_returns_to_its_brokers(tmp_path: Path) -> None:
    sites, relay = Sites(), Relay()
    async with (
        witness(sites.cloud, "nothing") as cloud,
        sites.runtime(tmp_path, modules=[relay]) as runtime,
    ):
        assert runtime.supervisor.states()["relay"].handlers == (
            "orders/{number}",
            "machine/{number}",
        )
        await runtime.supervisor.quarantine("relay", "test")
        await cloud.bus.publish("orders/1")
        await runtime.supervisor.resume("relay")
        await cloud.bus.publish("orders/2")
        await until(lambda: "edge 2" in relay.heard, "heard after the return")
        assert relay.heard == ["cloud 2", "edge 2"]


async def test_readiness_asks_each_connection(tmp_path: Path) -> None:
    sites = Sites()
    async with sites.runtime(tmp_path) as runtime:
        readiness = Readiness(
            runtime.bus, runtime.core.engine, runtime.core.others, TaskHealth(), {}
        )
        assert list(readiness) == ["runtime", "mqtt", "mqtt:cloud", "broker", "tasks"]
        assert await readiness["mqtt:cloud"]() is None
        sites.cloud.stop()
        assert await readiness["mqtt:cloud"]() == "the broker stopped"
        assert await readiness["mqtt"]() is None


async def test_handlers_of_all_brokers_drain_before_any_connection_closes(tmp_path: Path) -> None:
    sites = Sites()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(payload: bytes) -> None:
        begun.set()
        await go_on.wait()

    async with witness(sites.cloud) as cloud, witness(sites.edge) as edge:
        async with sites.runtime(tmp_path) as runtime:

            async def late(payload: bytes) -> None:
                await slow(payload)
                await runtime.bus.publish("late")

            await runtime.bus.subscribe("work", late, connection="cloud")
            await cloud.bus.publish("work")
            await begun.wait()
            asyncio.get_running_loop().call_later(0.05, go_on.set)
        await edge.saw(1)
        assert edge.topics == ["late"]
