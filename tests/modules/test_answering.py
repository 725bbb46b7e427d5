"""Requests of a module are answered as soon as the broker lets it, and it is said while not."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dskity.bus.base import tasks
from dskity.bus.base.clock import VirtualClock
from dskity.bus.bus import Bus
from dskity.bus.errors import BrokerRefused
from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.bus.message import Message
from dskity.handlers import Dispatcher
from dskity.modules.clients.answering import ASK_AGAIN, Answering
from tests.waiting import until

NOT_AUTHORIZED = 0x87


class Guarded(MemoryTransport):
    """Refuses what an ACL does; `error` is what it raises."""

    def __init__(self, broker: MemoryBroker, refused: str, error: BaseException) -> None:
        super().__init__(broker, "box")
        self.refused: str | None = refused
        self.error = error
        self.asked = 0

    async def subscribe(self, filter: str, *arguments: Any, **named: Any) -> None:
        if self.refused is not None and filter.endswith(self.refused):
            self.asked += 1
            raise self.error
        await super().subscribe(filter, *arguments, **named)


@asynccontextmanager
async def answering(
    error: BaseException, clock: VirtualClock
) -> AsyncIterator[tuple[Bus, Guarded]]:
    """Requests to `one` and `two`, and an ACL against `two`."""
    transport = Guarded(MemoryBroker(clock=clock), "/two", error)
    dispatcher = Dispatcher()
    bus = Bus(transport, dispatcher, clock=clock)
    await bus.start()

    async def handle(message: Message) -> str:
        return message.topic

    work = Answering(bus, {"one": handle, "two": handle}, "g")
    task = tasks.keep_running(work.run, name="requests", clock=clock)
    try:
        yield bus, transport
    finally:
        task.cancel()
        await dispatcher.close()
        await bus.close()


async def test_what_an_acl_refuses_is_said_once_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The other topics are answered, readiness does not flap, and a changed ACL is noticed."""
    caplog.set_level(logging.INFO)
    health, clock = tasks.observe(), VirtualClock()
    refusal = BrokerRefused("not authorized", reason_code=NOT_AUTHORIZED)
    async with answering(refusal, clock) as (bus, transport):
        for tries in range(1, 6):
            await until(lambda tries=tries: transport.asked == tries, "asked")  # type: ignore[misc]
            assert not health.failing
            await clock.advance(ASK_AGAIN)
        assert (await bus.request("dskity/one", b"")).payload == b"dskity/one"
        said = [r for r in caplog.records if r.name == "dskity.modules.clients.answering"]
        assert len(said) == 1
        assert "dskity/two are not answered: not authorized" in said[0].getMessage()
        transport.refused = None
        await clock.advance(ASK_AGAIN)
        await until(lambda: len(bus.subscriptions) == 2, "both")
        assert (await bus.request("dskity/two", b"")).payload == b"dskity/two"
    assert not health.errors
    assert "requests to dskity/two are answered now" in caplog.text


async def test_an_unforeseen_error_is_shown_and_what_was_subscribed_stays_single() -> None:
    """In readiness, until it works; then each topic has one handler."""
    health, clock = tasks.observe(), VirtualClock()
    async with answering(RuntimeError("odd"), clock) as (bus, transport):
        await until(lambda: "requests" in health.failing, "shown")
        transport.refused = None

        async def recovered() -> bool:
            await clock.advance(1)
            return not health.failing and len(bus.subscriptions) == 2

        await until(recovered, "recovered")
        assert sorted(s.pattern.text for s in bus.subscriptions) == ["dskity/one", "dskity/two"]
