"""A route whose group or QoS the broker cannot give it: refused with the fix, or by best effort
less."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dskity.broker.aiomqtt.transport import AiomqttTransport
from dskity.broker.settings import ConnectionSettings, ProtocolChoice
from dskity.bus.bus import Bus
from dskity.bus.delivery import Delivery
from dskity.bus.errors import Unsupported
from dskity.bus.link import Link
from dskity.bus.memory import CAPABILITIES, MemoryBroker
from dskity.bus.message import Message
from dskity.modules import Module, ModuleMeta, on
from tests.house_bus import memory_house
from tests.modules.conftest import Stage, staged
from tests.servers import HOST, mosquitto
from tests.waiting import until

NO_GROUPS = CAPABILITIES.but(shared=False)
FIX = "remove group=…, write best_effort=True"


class Keen(Module):
    """Wants to share."""

    meta = ModuleMeta("keen")

    def __init__(self) -> None:
        self.handled: list[bytes] = []

    @on("work/item", group="crew")
    async def work(self, item: bytes) -> None:
        self.handled.append(item)

    @on("rest/item")
    async def rest(self, item: bytes) -> None:
        self.handled.append(item)


class Easy(Module):
    """Would like to share."""

    meta = ModuleMeta("easy")

    def __init__(self) -> None:
        self.handled: list[bytes] = []

    @on("work/item", group="crew", best_effort=True)
    async def work(self, item: bytes) -> None:
        self.handled.append(item)


@asynccontextmanager
async def stage_without_groups(*modules: Module, broker_runs: bool) -> AsyncIterator[Stage]:
    """A supervisor that watches a bus whose broker has no shared subscriptions."""
    async with staged(builtins=modules, broker_runs=broker_runs) as stage:
        stage.house.broker.capabilities = NO_GROUPS
        stage.supervisor.watch(stage.house.bus)
        yield stage


def state(stage: Stage, name: str) -> tuple[str, str]:
    """State and reason of a module."""
    status = stage.supervisor.states()[name]
    return status.state, status.reason


def has_plain(bus: Bus) -> bool:
    """Whether the group's filter is subscribed to without the group."""
    return any(entry.wire_filter == "work/item" for entry in bus.subscriptions)


async def test_on_a_connected_bus_it_is_refused_at_once() -> None:
    """With what to write instead; nothing of it stays."""

    async def work(message: Message) -> None: ...

    async with memory_house(broker=MemoryBroker(capabilities=NO_GROUPS)) as house:
        with pytest.raises(Unsupported, match=FIX):
            await house.bus.subscribe("work/item", work, group="crew")
        assert house.bus.subscriptions == ()


async def test_by_best_effort_it_is_plain(caplog: pytest.LogCaptureFixture) -> None:
    """And a warning says what that means."""
    handled: list[Message] = []

    async def work(message: Message) -> None:
        handled.append(message)

    async with memory_house(broker=MemoryBroker(capabilities=NO_GROUPS)) as house:
        with caplog.at_level(logging.WARNING):
            subscription = await house.bus.subscribe(
                "work/item", work, group="crew", best_effort=True
            )
        assert not subscription.shared
        await house.bus.publish("work/item", b"1")
        await until(lambda: handled, "the message")
    assert "every member of the group 'crew' receives every message" in caplog.text


async def test_best_effort_shares_where_it_can() -> None:
    """It is a fallback, no wish."""

    async def work(message: Message) -> None: ...

    async with memory_house() as house:
        subscription = await house.bus.subscribe("work/item", work, group="crew", best_effort=True)
        assert subscription.shared


async def test_a_module_is_failed_with_the_mend() -> None:
    """The next one starts, by best effort."""
    keen, easy = Keen(), Easy()
    async with stage_without_groups(keen, easy, broker_runs=True) as stage:
        await stage.supervisor.start()
        failed, reason = state(stage, "keen")
        assert failed == "failed"
        assert FIX in reason
        assert state(stage, "easy") == ("started", "")
        await stage.house.bus.publish("work/item", b"1")
        await until(lambda: easy.handled, "the message")
        assert keen.handled == []


async def test_what_was_not_known_at_the_start_is_told_once_connected() -> None:
    """All handlers of the module end; by best effort it goes on with a plain subscription."""
    keen, easy = Keen(), Easy()
    async with stage_without_groups(keen, easy, broker_runs=False) as stage:
        await stage.supervisor.start()
        assert state(stage, "keen") == ("started", "")
        stage.house.broker.start()
        await until(lambda: state(stage, "keen")[0] == "quarantined", "the quarantine")
        assert FIX in state(stage, "keen")[1]
        await until(lambda: has_plain(stage.house.bus), "the plain subscription")
        assert state(stage, "easy") == ("started", "")
        for topic in ("work/item", "rest/item"):
            await stage.house.bus.publish(topic, b"1")
        await until(lambda: easy.handled, "the message")
        assert (keen.handled, easy.handled) == ([], [b"1"])


async def test_a_quarantined_module_resumes_on_a_better_broker() -> None:
    """Whole; on the same broker it is refused again, and stays as it is."""
    keen = Keen()
    async with stage_without_groups(keen, broker_runs=False) as stage:
        await stage.supervisor.start()
        stage.house.broker.start()
        await until(lambda: state(stage, "keen")[0] == "quarantined", "the quarantine")
        with pytest.raises(Unsupported):
            await stage.supervisor.resume("keen")
        assert state(stage, "keen")[0] == "quarantined"
        stage.house.broker.capabilities = CAPABILITIES
        await stage.supervisor.resume("keen")
        for topic in ("work/item", "rest/item"):
            await stage.house.bus.publish(topic, b"1")
        await until(lambda: len(keen.handled) == 2, "both messages")


class Exact(Module):
    """Wants each message exactly once."""

    meta = ModuleMeta("exact")

    @on("work/item", qos=2)
    async def work(self, item: bytes) -> None: ...


class Modest(Module):
    """Would like to have it so."""

    meta = ModuleMeta("modest")

    def __init__(self) -> None:
        self.handled: list[bytes] = []

    @on("work/item", qos=2, best_effort=True)
    async def work(self, item: bytes) -> None:
        self.handled.append(item)


QOS_MEND = "does not support qos=2, its maximum is 1: declare qos=1, write best_effort=True"


@pytest.mark.parametrize("broker_runs", [True, False])
async def test_a_qos_that_the_broker_does_not_keep_to(
    broker_runs: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Refused at start, or as soon as it is known; by best effort it is the highest there is."""
    exact, modest = Exact(), Modest()
    async with staged(builtins=(exact, modest), broker_runs=broker_runs) as stage:
        stage.house.broker.capabilities = CAPABILITIES.but(max_qos=1)
        stage.supervisor.watch(stage.house.bus)
        await stage.supervisor.start()
        if not broker_runs:
            stage.house.broker.start()
        refused = "failed" if broker_runs else "quarantined"
        await until(lambda: state(stage, "exact")[0] == refused, "the refusal")
        assert QOS_MEND in state(stage, "exact")[1]
        await until(lambda: "by best effort, qos=1 is used" in caplog.text, "the warning")
        assert state(stage, "modest") == ("started", "")
        await stage.house.bus.publish("work/item", b"1")
        await until(lambda: modest.handled, "the message")
        with pytest.raises(Unsupported, match="publish with qos=1"):
            await stage.house.bus.publish("work/item", b"1", qos=2)


async def test_what_no_route_declares_is_lowered() -> None:
    """A stream takes what it gets."""
    broker = MemoryBroker(capabilities=CAPABILITIES.but(max_qos=0))
    async with memory_house(broker=broker) as house, house.bus.stream("t", qos=1) as stream:
        await house.bus.publish("t", b"1", qos=0)
        assert (await anext(stream)).payload == b"1"
        with pytest.raises(Unsupported, match="declare qos=0"):
            await house.bus.subscribe("t", lambda: None)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_mosquitto_of_qos_1_is_known_by_either_version(protocol: ProtocolChoice) -> None:
    """MQTT 5 tells it in CONNACK; with 3.1.1 it takes a trial."""
    with mosquitto(("max_qos 1",)) as server:
        settings = ConnectionSettings(f"mqtt://{HOST}:{server.port}", "box", protocol=protocol)
        transport = AiomqttTransport(settings)
        await transport.start(Delivery.done, Link())
        try:
            await until(lambda: transport.connected, "it connects")
            assert transport.capabilities.max_qos == 1
            with pytest.raises(Unsupported, match="publish with qos=1"):
                await transport.publish(Message("t", qos=2))
        finally:
            await transport.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it leaves tasks
async def test_a_broker_that_does_not_send_again_is_warned_of(
    caplog: pytest.LogCaptureFixture, untamed: int
) -> None:
    """No route is refused for it, as all of them would be: the log tells once."""
    settings = ConnectionSettings(f"mqtt://{HOST}:{untamed}", "box", protocol="3.1.1")
    transport = AiomqttTransport(settings)
    await transport.start(Delivery.done, Link())
    try:
        await until(lambda: transport.connected, "it connects")
        assert caplog.text.count("does not redeliver unacknowledged messages") == 1
    finally:
        await transport.close()
