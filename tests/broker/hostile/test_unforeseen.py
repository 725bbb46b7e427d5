"""Errors that nobody foresaw, inside a lane: both lanes try again, and the reason is shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dskity.broker.connection.connection import LaneConnection
from dskity.broker.connection.identity import Identity
from dskity.broker.connection.placement import Placement
from dskity.broker.transport import MqttTransport
from dskity.bus.base import tasks
from dskity.bus.base.clock import VirtualClock
from dskity.bus.link import Link
from dskity.bus.transport import Capabilities, Lane
from tests.breaking import Broken, errors_of
from tests.broker.scripted import Brokers, PaperWire, started

EVERYWHERE: list[tuple[Lane, str]] = [("intake", "a"), ("control", "a")]
PLACES: list[tuple[Any, str]] = [
    (PaperWire, "open"),
    (PaperWire, "subscribe"),
    (PaperWire, "lost"),
    (PaperWire, "pause"),
    (MqttTransport, "learn"),
    (MqttTransport, "receiver"),
    (MqttTransport, "changed"),
    (Identity, "opening"),
    (Placement, "settle"),
    (LaneConnection, "_arrived"),
]
ERRORS = [
    RuntimeError("odd"),
    KeyError("odd"),
    SystemExit("odd"),
    BaseExceptionGroup("odd", [KeyboardInterrupt()]),
]


class Scene:
    """A transport on one broker of paper, which lets both lanes in."""

    def __init__(self, transport: MqttTransport, link: Link, clock: VirtualClock) -> None:
        self.transport = transport
        self.link = link
        self.clock = clock

    async def is_up_again(self) -> bool:
        """Soon, with nothing stale."""
        await self.clock.advance(5)
        return self.transport.connected and self.link.reason == ""


@asynccontextmanager
async def scene(brokers: Brokers | None = None) -> AsyncIterator[Scene]:
    clock = VirtualClock()
    brokers = brokers or Brokers("a", EVERYWHERE)
    transport = brokers.transport(clock)
    await transport.subscribe("readings", 1, 1)
    await transport.subscribe("replies", 1, 2, "control")
    link = await started(transport)
    transport.pause()  # so that a new wire is paused, too
    try:
        yield Scene(transport, link, clock)
    finally:
        await transport.close()


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    ("owner", "name"), PLACES, ids=lambda each: getattr(each, "__name__", each)
)
async def test_a_lane_that_fails_anywhere_tries_again(
    owner: Any,
    name: str,
    error: BaseException,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """While it is down the log, the count, and the reason of the link tell of it; then all is as if
    nothing had been."""
    health = tasks.observe()
    broken = Broken(monkeypatch, owner, name, error)
    async with scene() as paper:
        await paper.clock.advance(0)
        assert not paper.transport.connected
        assert "odd" in paper.link.reason
        assert sum(health.errors.values()) == len(health.failing) == 1
        (task,) = health.failing
        assert task in {"mqtt box intake", "mqtt box control"}
        assert any(task in line for line in errors_of(caplog))
        assert await paper.is_up_again()
        assert health.failing == {}
        assert broken.calls > 1


async def test_a_lane_that_fails_while_it_is_up_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other lane stays where it is."""
    health = tasks.observe()
    brokers = Brokers("a", EVERYWHERE)
    async with scene(brokers) as paper:
        await paper.clock.advance(0)
        assert paper.transport.connected
        control = brokers.present["control"]
        Broken(monkeypatch, PaperWire, "close", RuntimeError("odd"))
        brokers.present["intake"].lose()
        await paper.clock.advance(0)
        assert not paper.transport.connected
        assert "odd" in paper.link.reason
        assert list(health.failing) == ["mqtt box intake"]
        assert await paper.is_up_again()
        assert brokers.present["control"] is control


async def test_a_node_that_no_lane_can_bear_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """One URL of several may be what is unforeseen: the others are tried, too."""
    original = PaperWire.open

    async def open_(wire: PaperWire) -> Any:
        if wire.name == "a":
            raise UnicodeError("label too long")
        return await original(wire)

    monkeypatch.setattr(PaperWire, "open", open_)
    brokers = Brokers("ab", [("intake", "b"), ("control", "b")])
    async with scene(brokers) as paper:
        assert await paper.is_up_again()
        assert brokers.where() == {"intake": "b", "control": "b"}


async def test_a_listener_that_fails_does_not_end_a_lane(caplog: pytest.LogCaptureFixture) -> None:
    """`TransportEvents` are somebody else's code."""

    class Deaf(Link):
        def connected(self, capabilities: Capabilities, *, resumed: bool) -> None:
            super().connected(capabilities, resumed=resumed)
            raise SystemExit(1)

    clock, health = VirtualClock(), tasks.observe()
    transport = Brokers("a", EVERYWHERE).transport(clock)
    link = Deaf()
    await transport.start(lambda delivery: delivery.done(), link)
    await clock.advance(0)
    assert transport.connected
    assert health.errors == {"mqtt events": 1}
    assert health.failing == {}
    assert "mqtt events" in errors_of(caplog)[0]
    await transport.close()


async def test_what_fails_at_the_end_is_logged_and_the_end_is_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    health = tasks.observe()
    async with scene() as paper:
        await paper.clock.advance(0)
        Broken(monkeypatch, PaperWire, "close", RuntimeError("odd"))
    assert not paper.transport.connected
    assert health.errors == {"mqtt box close": 1}


async def test_the_reason_is_of_the_lane_that_is_not_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing stale: what was said of the other one ended when that came up."""
    original = PaperWire.open
    silent = False

    async def open_(wire: PaperWire) -> Any:
        if silent and wire.name == "a" and wire._lane == "control":
            await asyncio.Event().wait()
        return await original(wire)

    monkeypatch.setattr(PaperWire, "open", open_)
    brokers = Brokers("a", [])
    async with scene(brokers) as paper:
        await paper.clock.advance(5)
        assert "closed" in paper.link.reason
        silent = True
        await paper.clock.advance(5)
        brokers.open_to.add(("intake", "a"))
        await paper.clock.advance(5)
        assert list(brokers.where()) == ["intake"]
        assert "closed" in paper.link.reason  # what was said last of the lane that still waits


async def test_a_lane_that_has_said_nothing_is_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    original = PaperWire.open

    async def open_(wire: PaperWire) -> Any:
        if wire._lane == "control":
            await asyncio.Event().wait()
        return await original(wire)

    monkeypatch.setattr(PaperWire, "open", open_)
    brokers = Brokers("a", [])
    async with scene(brokers) as paper:
        await paper.clock.advance(5)
        assert "closed" in paper.link.reason
        brokers.open_to.add(("intake", "a"))
        await paper.clock.advance(5)
        assert paper.link.reason == "connecting to mqtt://a:1883"
