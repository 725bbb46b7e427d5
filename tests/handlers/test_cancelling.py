"""Time-outs, cancellation and the end, as handlers see them."""

from __future__ import annotations

import asyncio
import contextlib

from dskity.bus.message import Message
from tests.handlers.test_dispatcher import ONCE, unacked
from tests.house_bus import memory_house
from tests.waiting import until


async def test_timeouts_and_task_groups_inside_a_handler_are_its_own() -> None:
    """The first step runs in the worker's task: a handler's scopes cancel nothing else."""
    async with memory_house() as house:
        outcomes: list[str] = []

        async def handler(text: str) -> None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.005):
                    await asyncio.Event().wait()
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(0))
            outcomes.append(text)

        await house.bus.subscribe("t/+", handler)
        for number in range(20):
            await house.bus.publish(f"t/{number}", str(number))
        await until(lambda: len(outcomes) == 20, "all")


async def test_a_handler_that_cancels_itself_fails_like_any_other() -> None:
    async with memory_house() as house, house.bus.stream("dskity/dead-letter/#") as dead:

        async def handler(at_once: bool) -> None:
            if not at_once:
                await asyncio.sleep(0)
            raise asyncio.CancelledError

        await house.bus.subscribe("t", handler, retry=ONCE)
        for at_once in (True, False):
            await house.bus.publish("t", at_once)
            assert "cancelled itself" in (await anext(dead)).headers["dskity-error"]


async def test_closing_lets_handlers_end_within_the_grace() -> None:
    async with memory_house() as house:
        began, go = asyncio.Event(), asyncio.Event()
        ended: list[bool] = []

        async def handler(message: Message) -> None:
            began.set()
            await go.wait()
            ended.append(True)

        await house.bus.subscribe("t", handler)
        await house.bus.publish("t", b"")
        await began.wait()
        go.set()
        assert await house.dispatcher.close(grace=5)
        assert ended == [True]


async def test_what_is_cancelled_at_the_end_is_not_acknowledged() -> None:
    async with memory_house() as house:
        began = asyncio.Event()

        async def handler(message: Message) -> None:
            began.set()
            await asyncio.Event().wait()

        await house.bus.subscribe("t", handler)
        await house.bus.publish("t", b"")
        await began.wait()
        assert not await house.dispatcher.close(grace=0.01)
        assert unacked(house) == 1


async def test_cancelling_a_subscription_waits_for_what_it_began() -> None:
    async with memory_house() as house:
        began, go = asyncio.Event(), asyncio.Event()

        async def handler(message: Message) -> None:
            began.set()
            await go.wait()

        subscription = await house.bus.subscribe("t", handler)
        await house.bus.publish("t", b"")
        await began.wait()
        cancelling = asyncio.ensure_future(subscription.cancel())
        await asyncio.sleep(0)
        assert not cancelling.done()
        go.set()
        await cancelling
        assert (await house.bus.publish("t", b"")).matched is False
