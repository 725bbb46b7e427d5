"""Handlers that catch their time-out or their cancellation."""

from __future__ import annotations

import asyncio

import pytest

from dskity.bus.memory import MemoryBroker
from dskity.bus.message import Message
from dskity.handlers import RetryPolicy
from tests.handlers.test_base_exceptions import THREE, empty_at_the_end
from tests.house_bus import memory_house
from tests.waiting import until


async def swallow(message: Message) -> None:
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


async def test_a_handler_that_ignores_its_time_out_is_named_and_given_up(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dskity.handlers.route.attempt.CLEANUP_SECONDS", 0.05)
    async with empty_at_the_end() as (house, dead):
        handled: list[bytes] = []

        async def handler(message: Message) -> None:
            if message.payload == b"bad":
                await swallow(message)
            handled.append(message.payload)

        retry = RetryPolicy(attempts=2, backoff=0)
        await house.bus.subscribe("t", handler, timeout=0.05, retry=retry)
        for payload in (b"bad", b"good"):
            await house.bus.publish("t", payload)
        letter = await asyncio.wait_for(anext(dead), 10)
        assert letter.headers["dskity-attempts"] == "2"
        await until(lambda: handled == [b"good"], "the next of its key")
        assert "handler.<locals>" not in caplog.text
        assert "still runs 0.05 s after its time-out" in caplog.text
        stats = house.dispatcher.routes[0].stats
        assert (stats.timed_out, stats.ignored) == (2, 2)


async def test_a_handler_may_clean_up_after_its_time_out() -> None:
    async with empty_at_the_end() as (house, dead):
        cleaned: list[bool] = []

        async def handler(message: Message) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.05)
                cleaned.append(True)

        await house.bus.subscribe("t", handler, timeout=0.02, retry=RetryPolicy(attempts=1))
        await house.bus.publish("t", b"")
        await asyncio.wait_for(anext(dead), 10)
        assert cleaned == [True]
        assert house.dispatcher.routes[0].stats.ignored == 0


async def test_a_handler_may_catch_a_time_out_of_its_own() -> None:
    async with empty_at_the_end() as (house, _):
        handled: list[bool] = []

        async def handler(message: Message) -> None:
            try:
                async with asyncio.timeout(0.01):
                    await asyncio.Event().wait()
            except TimeoutError:
                await asyncio.sleep(0.01)
            handled.append(True)

        await house.bus.subscribe("t", handler, timeout=10)
        await house.bus.publish("t", b"")
        await until(lambda: handled == [True], "its end")


async def test_a_handler_that_ignores_its_cancellation_is_named_and_left_at_the_end(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dskity.handlers.worker_pool._CLEANUP_SECONDS", 0.05)
    async with memory_house() as house:
        await house.bus.subscribe("t", swallow)
        await house.bus.publish("t", b"")
        await until(lambda: house.dispatcher._pool.running, "it runs")
        assert await asyncio.wait_for(house.dispatcher.close(0), 10) is False
        assert house.dispatcher._pool._workers == set()
        assert "swallow ignores its cancellation" in caplog.text


@pytest.mark.parametrize("then", ["pass", "return", "raise", "exit"])
async def test_what_is_cancelled_at_the_end_stays_with_the_broker(then: str) -> None:
    """Neither retried nor buried, whatever the handler makes of its cancellation; what waits for
    its key is not begun any more. One that returns has handled its message."""
    broker = MemoryBroker()
    async with memory_house(broker=broker) as house:
        begun: list[bytes] = []

        async def handler(message: Message) -> None:
            begun.append(message.payload)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if then == "return":
                    return
                if then == "raise":
                    raise ValueError from None
                if then == "exit":
                    raise SystemExit from None
                raise

        await house.bus.subscribe("t", handler, retry=THREE)
        for number in range(3):
            await house.bus.publish("t", number)
        await until(lambda: begun, "the first has begun")
        session = house.transport._session
        assert session is not None
        assert await house.dispatcher.close(0) is False
        assert begun == [b"0"]
        assert len(session.unacked) == (2 if then == "return" else 3)
