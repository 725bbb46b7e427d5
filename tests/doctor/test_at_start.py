"""A route whose group the broker cannot give it: refused with the mend, or by best effort plain."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dskity.bus.bus import Bus
from dskity.bus.errors import Unsupported
from dskity.bus.memory import CAPABILITIES, MemoryBroker
from dskity.bus.message import Message
from dskity.modules import Module, ModuleMeta, on
from tests.house_bus import memory_house
from tests.modules.conftest import Stage, staged
from tests.waiting import until

NO_GROUPS = CAPABILITIES.but(shared=False)
MEND = "remove group=…, write best_effort=True"


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
        with pytest.raises(Unsupported, match=MEND):
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
    assert "every member of the group 'crew' gets every message" in caplog.text


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
        assert MEND in reason
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
        assert MEND in state(stage, "keen")[1]
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
