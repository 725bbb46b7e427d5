"""What handlers await and return, and what they do with the bus that calls them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dskity.bus.message import Message
from tests.handlers.test_base_exceptions import THREE, empty_at_the_end
from tests.waiting import until


async def awaits_itself(message: Message) -> None:
    task = asyncio.current_task()
    assert task is not None
    await task


class Odd:
    def __await__(self) -> Any:
        yield 5


@pytest.mark.parametrize("make", [awaits_itself, lambda _: Odd()], ids=["itself", "a number"])
async def test_awaiting_what_cannot_be_awaited_is_a_failed_attempt(
    make: Callable[[Message], Awaitable[None]],
) -> None:
    async with empty_at_the_end() as (house, dead):

        async def handler(message: Message) -> None:
            await make(message)

        await house.bus.subscribe("t", handler, retry=THREE)
        await house.bus.publish("t", b"")
        letter = await asyncio.wait_for(anext(dead), 10)
        assert letter.headers["dskity-attempts"] == "3"
        assert "RuntimeError" in letter.headers["dskity-error"]


@pytest.mark.parametrize("result", [object(), {1: 2}, asyncio.Event(), ValueError("x"), "", b""])
async def test_whatever_a_handler_returns_its_message_is_handled(result: Any) -> None:
    async with empty_at_the_end() as (house, _):

        async def handler(message: Message):  # type: ignore[no-untyped-def]  # noqa: ANN202  # as users write them
            return result

        await house.bus.subscribe("t", handler)
        await house.bus.publish("t", b"")
        await until(lambda: house.dispatcher.routes[0].stats.handled == 1, "it is handled")


async def test_a_handler_may_publish_request_and_subscribe_on_the_same_bus() -> None:
    async with empty_at_the_end() as (house, _):
        got: list[Any] = []

        async def echo(number: int) -> int:
            return number

        async def handler(number: int) -> None:
            await house.bus.subscribe("later", got.append)
            got.append((await house.bus.request("echo", number)).json())
            await house.bus.publish("later", number)

        await house.bus.subscribe("echo", echo)
        await house.bus.subscribe("t", handler)
        await house.bus.publish("t", 7)
        await until(lambda: got == [7, 7], "all of it")
