"""Whatever one message does, those behind it on its key, and all others, are handled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from dskity.bus.errors import RemoteError
from dskity.bus.message import Message
from dskity.handlers import RetryPolicy
from tests.house_bus import House, memory_house
from tests.waiting import until

ONCE = RetryPolicy(attempts=1)


class Unspeakable(Exception):
    """An error that cannot be put into words."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class Anything(BaseModel):
    value: Any


def unacked(house: House) -> int:
    session = house.transport._session
    assert session is not None
    return len(session.unacked)


def fails(message: Message) -> str:
    raise KeyError("no key in it")


def unhashable(message: Message) -> Any:
    return [message.topic]


@pytest.mark.parametrize("order_by", [fails, unhashable])
async def test_messages_without_an_order_key_keep_the_order_of_their_topic(
    order_by: Callable[[Message], str],
) -> None:
    async with memory_house() as house:
        handled: list[str] = []

        async def slow(text: str) -> None:
            for _ in range(len(text)):
                await asyncio.sleep(0)
            handled.append(text)

        await house.bus.subscribe("bad", slow, order_by=order_by)
        await house.bus.subscribe("good", slow)
        for topic, text in (("bad", "1234"), ("bad", "5"), ("good", "6")):
            await house.bus.publish(topic, text)
        await until(lambda: len(handled) == 3, "all of them")
        assert [text for text in handled if text != "6"] == ["1234", "5"]
        await until(lambda: unacked(house) == 0, "all acknowledged")
        assert house.dispatcher.in_flight.messages == 0


async def test_a_message_never_passes_one_that_is_blocked_on_its_key() -> None:
    async with memory_house() as house:
        handled: list[str] = []
        gates = {text: asyncio.Event() for text in ("a", "b1", "b2", "b3")}

        async def handler(text: str) -> None:
            await gates[text].wait()
            handled.append(text)

        await house.bus.subscribe("t/+", handler, concurrency=1)
        for text in ("a", "b1", "b2"):
            await house.bus.publish(f"t/{text[0]}", text)
        await until(lambda: house.dispatcher.in_flight.messages == 3, "all here")
        gates["a"].set()
        await until(lambda: handled == ["a"], "the one that held the only place")
        await house.bus.publish("t/b", "b3")  # b1 has suspended, b2 was blocked
        await until(lambda: house.dispatcher.in_flight.messages == 3, "the last one here")
        for gate in gates.values():
            gate.set()
        await until(lambda: len(handled) == 4, "all of them")
        assert handled == ["a", "b1", "b2", "b3"]


async def test_keys_that_are_blocked_have_their_turn_while_another_goes_on_and_on() -> None:
    async with memory_house() as house:
        handled: list[str] = []

        async def handler(text: str) -> None:
            await asyncio.sleep(0)
            handled.append(text)

        await house.bus.subscribe("t/+", handler, concurrency=1)
        for text in ("a1", "a2", "a3", "b1", "b2", "c1"):
            await house.bus.publish(f"t/{text[0]}", text)
        await until(lambda: len(handled) == 6, "all of them")
        assert handled == ["a1", "b1", "c1", "a2", "b2", "a3"]


async def test_an_order_key_that_changes_its_mind_loses_nothing() -> None:
    async with memory_house() as house:
        keys = iter(range(1_000))
        handled: list[int] = []

        async def slow(number: int) -> None:
            for _ in range(number % 3):
                await asyncio.sleep(0)
            handled.append(number)

        def order_by(message: Message) -> str:
            return str(next(keys) % 4)

        await house.bus.subscribe("t", slow, order_by=order_by)
        for number in range(50):
            await house.bus.publish("t", number)
        await until(lambda: len(handled) == 50, "all of them")
        assert house.dispatcher.in_flight.messages == 0


@pytest.mark.parametrize("suspends", [False, True])
async def test_an_error_without_words_is_a_dead_letter_all_the_same(*, suspends: bool) -> None:
    async with memory_house() as house, house.bus.stream("dskity/dead-letter/#") as dead:

        async def handler(message: Message) -> None:
            if suspends:
                await asyncio.sleep(0)
            raise Unspeakable

        await house.bus.subscribe("t", handler, retry=ONCE)
        for number in range(2):
            await house.bus.publish("t", number)
        letters = [await anext(dead) for _ in range(2)]
        assert [letter.payload for letter in letters] == [b"0", b"1"]
        assert "Unspeakable" in letters[0].headers["dskity-error"]


async def test_a_result_that_cannot_be_sent_is_answered_with_an_error() -> None:
    async with memory_house() as house:
        results: list[Any] = [Anything(value=object()), "\ud800", object(), Anything(value=1)]

        async def handler(number: int) -> Any:
            await asyncio.sleep(0)
            return results[number]

        await house.bus.subscribe("t", handler)
        for number in range(3):
            with pytest.raises(RemoteError) as caught:
                await house.bus.request("t", number, timeout=5)
            assert caught.value.status == 500
        assert (await house.bus.request("t", 3)).json() == {"value": 1}
        assert house.dispatcher.in_flight.messages == 0


async def test_a_handler_that_cancels_its_own_task_fails_and_the_next_message_is_handled() -> None:
    async with memory_house() as house, house.bus.stream("dskity/dead-letter/#") as dead:
        handled: list[str] = []

        async def handler(text: str) -> None:
            if text == "cancel":
                await asyncio.sleep(0)
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            await asyncio.sleep(0)
            handled.append(text)

        await house.bus.subscribe("t", handler, retry=ONCE)
        for text in ("cancel", "after"):
            await house.bus.publish("t", text)
        assert "cancelled itself" in (await anext(dead)).headers["dskity-error"]
        await until(lambda: handled == ["after"], "the next one")


async def test_a_leader_that_is_cancelled_by_a_handler_hands_the_lead_on() -> None:
    async with memory_house() as house, house.bus.stream("dskity/dead-letter/#"):
        handled: list[int] = []

        async def handler(number: int) -> None:
            if number == 0:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()  # it has no effect before the worker's next pause
            handled.append(number)

        await house.bus.subscribe("t", handler)
        for number in range(3):
            await house.bus.publish("t", number)
        await until(lambda: handled == [0, 1, 2], "all of them")
        await house.bus.publish("t", 3)
        await until(lambda: handled == [0, 1, 2, 3], "one that came later")


async def test_a_handler_may_end_its_own_subscription() -> None:
    async with memory_house() as house:
        handled: list[str] = []

        async def handler(text: str) -> None:
            await subscription.cancel()
            handled.append(text)

        subscription = await house.bus.subscribe("t", handler, retry=ONCE)
        await house.bus.publish("t", "once")
        await until(lambda: handled == ["once"], "its end", within=2)
        await until(lambda: unacked(house) == 0, "the acknowledgement")
        await house.bus.publish("t", "twice")
        assert house.dispatcher.routes == ()
        assert handled == ["once"]


async def test_handlers_of_one_route_may_all_end_it_at_once() -> None:
    async with memory_house() as house:
        handled: list[str] = []

        async def handler(device: str) -> None:
            await asyncio.sleep(0)
            await subscription.cancel()
            handled.append(device)

        subscription = await house.bus.subscribe("t/{device}", handler, retry=ONCE)
        for device in ("a", "b", "c"):
            await house.bus.publish(f"t/{device}", b"")
        await until(lambda: sorted(handled) == ["a", "b", "c"], "their end", within=2)
        await subscription.cancel()
        assert house.dispatcher.routes == ()


async def test_an_overload_of_qos_0_sheds_the_oldest_also_of_what_waits_behind_a_slow_one() -> None:
    async with memory_house(max_in_flight=10, overload="drop_oldest") as house:
        gate = asyncio.Event()
        handled: list[int] = []

        async def slow(number: int) -> None:
            await gate.wait()
            handled.append(number)

        await house.bus.subscribe("t", slow, qos=0)
        for number in range(30):
            await house.bus.publish("t", number, qos=0)
            for _ in range(5):  # turns of the loop: each is taken before the next one comes
                await asyncio.sleep(0)
        assert house.dispatcher.routes[0].stats.shed == 20
        gate.set()
        await until(lambda: len(handled) == 10, "the others")
        assert handled == [0, *range(21, 30)]  # the first had begun
        assert house.dispatcher.in_flight.messages == 0


async def test_a_dispatcher_without_work_has_ended_at_once() -> None:
    async with memory_house() as house:

        async def handler(message: Message) -> None: ...

        await house.bus.subscribe("t", handler)
        assert await house.dispatcher.close(0)
