"""Requests to handlers of the same process: they do not wait behind what waits for them."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from dskity.bus.errors import RequestTimeout
from dskity.bus.inbound import own_requests
from dskity.bus.message import Message
from dskity.handlers import RetryPolicy
from tests.house_bus import memory_house
from tests.waiting import until

ONCE = RetryPolicy(attempts=1)


@pytest.mark.parametrize("bound", [1, 2, 10, 1000])
@pytest.mark.parametrize("concurrency", [1, 2, 64])
async def test_a_chain_of_requests_ends_at_any_bound_and_concurrency(
    bound: int, concurrency: int
) -> None:
    """One asks two, two asks three, with 100 messages behind; each request is handled once."""
    handled: Counter[str] = Counter()
    async with memory_house(max_in_flight=bound) as house:

        async def one(n: str) -> None:
            assert (await house.bus.request(f"two/{n}")).text() == f"three {n}"
            handled["one"] += 1

        async def two(n: str) -> str:
            handled["two"] += 1
            return (await house.bus.request(f"three/{n}")).text()

        async def three(n: str) -> str:
            handled["three"] += 1
            return f"three {n}"

        for name, handler in (("one", one), ("two", two), ("three", three)):
            await house.bus.subscribe(name + "/{n}", handler, concurrency=concurrency)
        for number in range(100):
            await house.bus.publish(f"one/{number}")
        await until(lambda: handled["one"] == 100, f"all: {handled}")
        await until(lambda: house.dispatcher.in_flight.messages == 0, "nothing is under way")
        assert handled == {"one": 100, "two": 100, "three": 100}


@pytest.mark.parametrize("bound", [1, 1000])
@pytest.mark.parametrize("concurrency", [1, 8])
async def test_two_handlers_that_ask_each_other_go_as_deep_as_they_are_asked(
    bound: int, concurrency: int
) -> None:
    """A request takes the place of the handler of its route that waits for it."""
    answers: list[str] = []
    async with memory_house(max_in_flight=bound) as house:

        async def start(n: str) -> None:
            answers.append((await house.bus.request(f"a/{n}/10")).text())

        async def a(n: str, depth: int) -> str:
            if depth == 0:
                return "bottom"
            return (await house.bus.request(f"b/{n}/{depth - 1}")).text()

        async def b(n: str, depth: int) -> str:
            return (await house.bus.request(f"a/{n}/{depth}")).text()

        await house.bus.subscribe("start/{n}", start, concurrency=1)
        await house.bus.subscribe("a/{n}/{depth}", a, concurrency=concurrency)
        await house.bus.subscribe("b/{n}/{depth}", b, concurrency=concurrency)
        for number in range(20):
            await house.bus.publish(f"start/{number}")
        await until(lambda: len(answers) == 20, f"all, not {len(answers)}")
        assert set(answers) == {"bottom"}


async def test_the_concurrency_holds_for_all_others() -> None:
    """Also after requests have taken the places of those that wait for them."""
    most = now = 0
    done: list[str] = []
    async with memory_house() as house:

        async def work(n: str, depth: int) -> str:
            nonlocal most, now
            if depth:
                await house.bus.request(f"work/{n}/{depth - 1}")
                done.append(n)
                return ""
            now += 1
            most = max(most, now)
            await asyncio.sleep(0)
            now -= 1
            return ""

        await house.bus.subscribe("work/{n}/{depth}", work, concurrency=3)
        for number in range(60):
            await house.bus.publish(f"work/{number}/{number % 2}")
        await until(lambda: len(done) == 30, f"all: {done}")
        await until(lambda: house.dispatcher.in_flight.messages == 0, "nothing is under way")
        assert most <= 3


async def test_a_handler_that_asks_itself_under_its_own_key_times_out_alone() -> None:
    """The error says what waits for what."""
    handled: list[str] = []
    async with memory_house(max_in_flight=1) as house:

        async def device(message: Message, name: str) -> str:
            if message.payload == b"outer":
                with pytest.raises(RequestTimeout, match="each waits for the other"):
                    await house.bus.request(f"device/{name}", b"inner", timeout=0.2)
            handled.append(f"{name} {message.text()}")
            return "done"

        await house.bus.subscribe("device/{name}", device, retry=ONCE)
        await house.bus.publish("device/one", b"outer")
        await until(lambda: house.dispatcher.in_flight.messages == 2, "it asks itself")
        assert (await house.bus.request("device/two", b"alone")).text() == "done"
        await until(lambda: len(handled) == 3, f"all: {handled}")
        assert handled == ["two alone", "one outer", "one inner"]


async def test_the_copy_of_the_broker_is_acknowledged_and_not_handled_again() -> None:
    """It comes behind all that waits, and is for nobody."""
    handled: list[bytes] = []
    gate = asyncio.Event()
    async with memory_house(max_in_flight=1) as house:

        async def slow() -> None:
            await gate.wait()

        async def answer(message: Message) -> bytes:
            handled.append(message.payload)
            return b"yes"

        await house.bus.subscribe("slow", slow)
        await house.bus.subscribe("ask", answer)
        for _ in range(10):
            await house.bus.publish("slow")
        await until(lambda: house.dispatcher.in_flight.paused, "the bound is reached")
        assert (await house.bus.request("ask", b"1")).payload == b"yes"
        gate.set()
        await until(lambda: house.bus.counters.received >= 12, "all has come")
        await until(lambda: house.dispatcher.in_flight.messages == 0, "nothing is under way")
        session = house.transport._session
        assert session is not None
        await until(lambda: not session.unacked, "all is acknowledged")
        assert handled == [b"1"]


async def test_without_pressure_a_request_keeps_its_place_behind_what_was_published() -> None:
    """It is handed on early only where it does not come."""
    handled: list[bytes] = []
    async with memory_house() as house:

        async def answer(message: Message) -> bytes:
            await asyncio.sleep(0)
            handled.append(message.payload)
            return b""

        await house.bus.subscribe("ask", answer)
        for number in range(20):
            await house.bus.publish("ask", b"%d" % number)
        await house.bus.request("ask", b"20")
        assert handled == [b"%d" % number for number in range(21)]


async def test_handlers_that_only_listen_get_a_request_in_its_order() -> None:
    """It is not they whom the caller waits for."""
    heard: list[bytes] = []
    gate = asyncio.Event()
    async with memory_house(max_in_flight=1) as house:

        async def listen(message: Message) -> None:
            await gate.wait()
            heard.append(message.payload)

        async def answer() -> str:
            return "yes"

        await house.bus.subscribe("all/#", listen)
        await house.bus.publish("all/ask", b"1")
        await house.bus.publish("all/ask", b"2")
        await house.bus.subscribe("all/ask", answer)
        assert (await house.bus.request("all/ask", b"3")).text() == "yes"
        assert heard == []
        gate.set()
        await until(lambda: heard == [b"1", b"2", b"3"], f"in order: {heard}")


async def test_a_member_of_a_group_answers_its_own_request_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another member may have it, and is given the time to answer."""
    monkeypatch.setattr(own_requests, "GROUP_PATIENCE", 0.01)
    seen: list[bool] = []
    gate = asyncio.Event()
    async with memory_house(max_in_flight=1) as house:

        async def slow() -> None:
            assert (await house.bus.request("ask")).text() == "yes"

        async def answer(message: Message) -> str:
            seen.append(message.duplicate)
            return "yes"

        async def wait() -> None:
            await gate.wait()

        await house.bus.subscribe("wait", wait)
        await house.bus.subscribe("slow", slow)
        await house.bus.subscribe("ask", answer, group="g")
        house.transport.pause()  # what the group gets does not come
        slow_one = asyncio.ensure_future(slow())
        await until(slow_one.done, "it has its answer")
        await slow_one
        house.transport.resume()
        await until(lambda: house.bus.counters.received >= 2, "the broker's copy has come")
        await until(lambda: house.dispatcher.in_flight.messages == 0, "nothing is under way")
        assert seen == [True]


async def test_requests_whose_copy_never_comes_are_forgotten_at_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The broker may have let them expire."""
    monkeypatch.setattr(own_requests, "REMEMBERED", 5)
    async with memory_house() as house:

        async def answer() -> str:
            return "yes"

        await house.bus.subscribe("ask", answer)
        house.transport.pause()
        house.bus.pause()
        for _ in range(20):
            assert (await house.bus.request("ask")).text() == "yes"
        assert len(house.bus._inbound.own.open) == 5
