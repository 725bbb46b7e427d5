"""Requests and replies: each gets its own, and what nobody waits for any more does no harm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dskity.bus.errors import InvalidInput, NoResponder, RemoteError, RequestTimeout
from dskity.bus.message import Message
from tests.contract.box import Box, box
from tests.contract.cells import reason_against
from tests.contract.house import House
from tests.waiting import until


@asynccontextmanager
async def asking(house: House, folder: Path, **answers: Any) -> AsyncIterator[tuple[Box, Box]]:
    """Who asks, and another one with a handler for each topic `ask/…`."""
    async with box(house, folder, "asker") as asker, box(house, folder, "responder") as responder:
        for name, answer in answers.items():
            await responder.bus.subscribe(f"ask/{name}", answer, reply=True, order_by=None)
        await asker.ready()
        await responder.ready()
        yield asker, responder


async def test_of_many_at_once_each_gets_its_own_reply(house: House, tmp_path: Path) -> None:
    """Whatever order they are answered in."""

    async def double(message: Message) -> int:
        number: int = message.json()
        await asyncio.sleep(0.02 if number % 7 == 0 else 0)
        return 2 * number

    async with asking(house, tmp_path, double=double) as (asker, _):
        numbers = range(40)  # more than a window of 20 takes
        replies = await asyncio.gather(
            *(asker.bus.request("ask/double", n, timeout=30) for n in numbers)
        )
        assert [reply.json() for reply in replies] == [2 * number for number in numbers]


async def test_an_error_is_told_with_its_status_and_the_deadline_travels(
    house: House, tmp_path: Path
) -> None:
    """The problem is that of RFC 9457, and what the responder sees is what is left of the time."""
    seen: list[Message] = []

    async def fail(message: Message) -> None:
        seen.append(message)
        raise InvalidInput("no such thing")

    async with asking(house, tmp_path, fail=fail) as (asker, _):
        with pytest.raises(RemoteError, match="no such thing") as told:
            await asker.bus.request("ask/fail", b"x", timeout=7, headers={"x-trace": "abc"})
        assert told.value.status == 400
        assert told.value.problem["detail"] == "no such thing"
    [message] = seen
    assert message.payload == b"x"
    assert message.headers["x-trace"] == "abc"
    assert message.expires_in is not None
    assert 0 < message.expires_in <= 7


async def test_replies_that_nobody_waits_for_are_counted_and_dropped(
    house: House, tmp_path: Path
) -> None:
    """Late, after a cancel, a second time, and to nothing that was ever asked."""
    gate = asyncio.Event()
    asked = 0

    async def late() -> str:
        nonlocal asked
        asked += 1
        await gate.wait()
        return "late"

    async def twice(message: Message) -> str:
        assert message.reply_to is not None
        await responder.bus.publish(message.reply_to, "first")
        return "second"

    async with asking(house, tmp_path, late=late, twice=twice) as (asker, responder):
        unknown = asker.bus._replies
        with pytest.raises(RequestTimeout):
            await asker.bus.request("ask/late", timeout=0.05)
        cancelled = asyncio.create_task(asker.bus.request("ask/late"), name="cancelled")
        await until(lambda: asked, "it is asked")
        cancelled.cancel()
        await asyncio.wait((cancelled,))
        late_ones = asked
        gate.set()
        await until(lambda: unknown.unknown == late_ones, f"{late_ones} late replies")
        assert (await asker.bus.request("ask/twice")).text() == "first"
        await until(lambda: unknown.unknown == late_ones + 1, "the second reply")
        await responder.bus.publish("dskity/reply/asker/never", "asked")
        await until(lambda: unknown.unknown == late_ones + 2, "the reply to nothing")
        assert len(unknown) == 0
        assert (await asker.bus.request("ask/late")).text() == "late"


async def test_that_nobody_answers_is_known_at_once_where_the_broker_tells(
    house: House, tmp_path: Path
) -> None:
    """PUBACK with 0x10; elsewhere only when the time is over."""
    async with box(house, tmp_path) as asker:
        await asker.ready()
        silent = reason_against(house.cell, "reports_no_match")
        with pytest.raises(RequestTimeout if silent else NoResponder):
            await asker.bus.request("ask/nobody", timeout=0.2 if silent else 30)
