"""`return next(call, message)` without `await`: the handler has not run, so the message is not
handled, and is not lost."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dskity.bus.errors import RemoteError
from dskity.bus.memory import MemoryBroker
from dskity.bus.message import Message
from dskity.bus.middleware import Call, Next
from dskity.handlers import Dedupe, RetryPolicy
from tests.handlers.stored.test_stored_and_dedupe import on_disk
from tests.handlers.test_base_exceptions import empty_at_the_end
from tests.house_bus import memory_house
from tests.waiting import until

ONCE = RetryPolicy(attempts=1)
SAYS = "write `return await …`, as in `return await next(call, message)`"


def forgets(suspends: int) -> Any:
    """A middleware that does not await `next`, after so many turns of the loop."""

    async def middleware(call: Call, message: Message, next: Next) -> Any:
        for _ in range(suspends):
            await asyncio.sleep(0)
        return next(call, message)

    return middleware


async def handler(message: Message) -> None: ...


@pytest.mark.parametrize("suspends", [0, 1], ids=["first step", "later"])
async def test_a_message_whose_handler_was_not_awaited_is_a_dead_letter(
    suspends: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with empty_at_the_end() as (house, dead):
        await house.bus.subscribe("t/+", handler, retry=ONCE, middleware=[forgets(suspends)])
        await house.bus.publish("t/a", b"1")
        letter = await asyncio.wait_for(anext(dead), 10)
        assert letter.payload == b"1"
        assert house.dispatcher.routes[0].stats.handled == 0
    assert SAYS in caplog.text


async def test_its_key_is_not_noted_as_handled(tmp_path: Path) -> None:
    """So that it is no duplicate once the middleware is corrected."""
    async with on_disk(MemoryBroker(), tmp_path) as (bus, dispatcher, _, _):
        key = Dedupe(lambda _: "one")
        await bus.subscribe("t", handler, dedupe=key, retry=ONCE, middleware=[forgets(0)])
        for _ in range(2):
            await bus.publish("t", b"1")
        stats = dispatcher.routes[0].stats
        await until(lambda: stats.failed == 2, "both failed")
        assert stats.duplicates == 0


async def test_a_requester_is_told_what_is_missing() -> None:
    async with memory_house() as house:
        await house.bus.subscribe("t", handler, reply=True, middleware=[forgets(0)])
        with pytest.raises(RemoteError, match="was returned instead of its result"):
            await house.bus.request("t", b"1", timeout=5)
