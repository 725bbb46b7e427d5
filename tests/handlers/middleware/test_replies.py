"""Middleware round handlers that answer requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from dskity.bus.errors import DSkityError, RemoteError
from dskity.bus.message import Message
from dskity.bus.middleware import Call, Middleware, Next
from tests.handlers.middleware.test_middleware import Reading, noting
from tests.house_bus import House, memory_house


async def asked(house: House, handler: Any, middleware: Sequence[Middleware]) -> Message:
    await house.bus.subscribe("ask", handler, middleware=middleware)
    return await house.bus.request("ask", b"", timeout=2)


async def test_what_the_outermost_middleware_returns_is_the_reply() -> None:
    async def swap(call: Call, message: Message, next: Next) -> Any:
        reading: Reading = await next(call, message)
        return Reading(celsius=reading.celsius + 1)

    async def handler(message: Message) -> Reading:
        return Reading(celsius=20)

    async with memory_house() as house:
        reply = await asked(house, handler, [swap])
    assert reply.json() == {"celsius": 21}


async def test_a_middleware_may_answer_without_the_handler() -> None:
    async def cached(call: Call, message: Message, next: Next) -> Any:
        return {"celsius": 19}

    async def handler(message: Message) -> Reading:
        raise NotImplementedError

    async with memory_house() as house:
        reply = await asked(house, handler, [cached])
    assert reply.json() == {"celsius": 19}


async def test_a_swapped_reply_is_checked_against_what_the_handler_declares() -> None:
    async def swap(call: Call, message: Message, next: Next) -> Any:
        return {"fahrenheit": 70}

    async def handler(message: Message) -> Reading:
        return Reading(celsius=20)

    async with memory_house() as house:
        with pytest.raises(RemoteError, match="declared to return Reading"):
            await asked(house, handler, [swap])


async def test_an_error_of_a_middleware_is_the_reply_and_the_request_is_not_retried() -> None:
    calls: list[int] = []

    async def fail(call: Call, message: Message, next: Next) -> Any:
        calls.append(call.attempt)
        raise DSkityError("no credentials")

    async def handler(message: Message) -> Reading:
        return Reading(celsius=20)

    async with memory_house() as house:
        with pytest.raises(RemoteError, match="no credentials"):
            await asked(house, handler, [fail])
    assert calls == [1]


async def test_the_reply_goes_where_the_requester_asked_for_it() -> None:
    """A middleware that changes `reply_to` changes what the handler sees, and nothing else."""

    async def divert(call: Call, message: Message, next: Next) -> Any:
        return await next(call, replace(message, reply_to="elsewhere", correlation=b"?"))

    async def handler(message: Message) -> str:
        return message.reply_to or ""

    async with memory_house() as house:
        assert (await asked(house, handler, [divert])).payload == b"elsewhere"


async def test_a_stream_has_no_handler_and_so_no_middleware() -> None:
    log: list[str] = []
    async with memory_house() as house:
        house.bus.use(noting("bus", log))
        async with house.bus.stream("t") as stream:
            await house.bus.publish("t", b"x", qos=0)
            assert (await anext(stream)).payload == b"x"
    assert log == []
