"""From arrival to acknowledgement: order, retry, dead letter, bounds."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest
from pydantic import BaseModel

from dskity.bus.base.clock import VirtualClock
from dskity.bus.errors import RemoteError
from dskity.bus.message import Message
from dskity.handlers import Drop, Reject, Retry, RetryPolicy
from tests.house_bus import House, memory_house
from tests.waiting import until

NOW = RetryPolicy(attempts=3, backoff=0)
ONCE = RetryPolicy(attempts=1)


class Reading(BaseModel):
    celsius: float


def unacked(house: House) -> int:
    session = house.transport._session
    assert session is not None
    return len(session.unacked)


async def test_a_message_is_acknowledged_only_after_its_handler() -> None:
    async with memory_house() as house:
        go, began = asyncio.Event(), asyncio.Event()

        async def handler(message: Message) -> None:
            began.set()
            await go.wait()

        await house.bus.subscribe("t", handler)
        await house.bus.publish("t", b"")
        await began.wait()
        assert unacked(house) == 1
        go.set()
        await until(lambda: unacked(house) == 0, "the acknowledgement")


async def test_a_handler_that_fails_is_tried_again_and_then_its_message_is_a_dead_letter() -> None:
    clock = VirtualClock()
    async with memory_house(clock=clock) as house, house.bus.stream("dskity/dead-letter/#") as dead:
        attempts: list[float] = []

        async def handler(message: Message) -> None:
            attempts.append(clock.monotonic())
            raise ValueError("too hot")

        policy = RetryPolicy(attempts=3, backoff=0.1, jitter=False)
        await house.bus.subscribe("t/x", handler, retry=policy)
        await house.bus.publish("t/x", b"\x00raw", headers={"mine": "1"}, content_type="x/y")
        await until(lambda: attempts, "the first attempt")
        await clock.advance(10)
        letter = await anext(dead)
        assert attempts == pytest.approx([0.0, 0.1, 0.3])
        assert letter.topic == "dskity/dead-letter/t/x"
        assert (letter.payload, letter.content_type) == (b"\x00raw", "x/y")
        assert letter.headers["dskity-error"] == "ValueError: too hot"
        assert letter.headers["dskity-attempts"] == "3"
        assert letter.headers["dskity-topic"] == "t/x"
        assert letter.headers["dskity-handler"].endswith("handler")
        assert letter.headers["dskity-time"].endswith("Z")
        assert letter.headers["mine"] == "1"
        await until(lambda: unacked(house) == 0, "the acknowledgement")


@pytest.mark.parametrize("garbage", [b"\xff\xfe\x00", b"{", b'{"celsius": "hot"}', b""])
async def test_an_invalid_payload_is_a_dead_letter_without_another_attempt(garbage: bytes) -> None:
    async with memory_house() as house, house.bus.stream("dskity/dead-letter/#") as dead:
        handled: list[float] = []

        async def handler(reading: Reading) -> None:
            handled.append(reading.celsius)

        await house.bus.subscribe("t", handler)
        await house.bus.publish("t", garbage)
        await house.bus.publish("t", b'{"celsius": 21}')
        letter = await anext(dead)
        assert letter.payload == garbage
        assert letter.headers["dskity-attempts"] == "1"
        await until(lambda: handled == [21.0], "the next message handled")


async def test_invalid_payloads_can_be_dropped_or_treated_as_a_failure() -> None:
    async with memory_house() as house, house.bus.stream("dskity/dead-letter/#") as dead:

        async def handler(reading: Reading) -> None: ...

        await house.bus.subscribe("drop", handler, on_invalid="drop")
        await house.bus.subscribe("raise", handler, on_invalid="raise", retry=NOW)
        await house.bus.publish("drop", b"x")
        await house.bus.publish("raise", b"x")
        letter = await anext(dead)
        assert letter.topic.endswith("raise")
        assert letter.headers["dskity-attempts"] == "3"
        assert house.dispatcher.routes[0].stats.dropped == 1


async def test_drop_reject_and_retry_decide_a_message_themselves() -> None:
    async with memory_house() as house, house.bus.stream("dskity/dead-letter/#") as dead:
        tries = 0

        async def handler(text: str) -> None:
            nonlocal tries
            if text == "drop":
                raise Drop("not for us")
            if text == "reject":
                raise Reject("never")
            tries += 1
            if tries < 3:
                raise Retry(after=0)

        await house.bus.subscribe("t", handler, retry=RetryPolicy(attempts=3, backoff=60))
        for text in ("drop", "reject", "retry"):
            await house.bus.publish("t", text)
        letter = await anext(dead)
        assert (letter.payload, letter.headers["dskity-attempts"]) == (b"reject", "1")
        await until(lambda: tries == 3, "the third try")
        await until(lambda: unacked(house) == 0, "all acknowledged")
        stats = house.dispatcher.routes[0].stats
        assert (stats.dropped, stats.dead_lettered, stats.handled) == (1, 1, 1)


async def test_a_handler_without_end_is_cut_off_and_its_message_is_a_dead_letter() -> None:
    async with memory_house() as house, house.bus.stream("dskity/dead-letter/#") as dead:

        async def handler(message: Message) -> None:
            await asyncio.Event().wait()

        await house.bus.subscribe("t", handler, timeout=0.01, retry=ONCE)
        await house.bus.publish("t", b"")
        assert "not finished within 0.01 s" in (await anext(dead)).headers["dskity-error"]


async def test_messages_of_one_key_are_handled_in_order_and_keys_in_parallel() -> None:
    async with memory_house() as house:
        gates = {"a": asyncio.Event(), "b": asyncio.Event()}
        handled: list[tuple[str, str]] = []

        async def handler(device: str, text: str) -> None:
            await gates[device].wait()
            handled.append((device, text))

        await house.bus.subscribe("d/{device}/{kind}", handler, order_by="device")
        for device in ("a", "b"):
            for number in range(3):
                await house.bus.publish(f"d/{device}/{number}", str(number))
        gates["b"].set()
        await until(lambda: len(handled) == 3, "all of b while a waits")
        assert handled == [("b", "0"), ("b", "1"), ("b", "2")]
        gates["a"].set()
        await until(lambda: len(handled) == 6, "all of a")
        assert handled[3:] == [("a", "0"), ("a", "1"), ("a", "2")]


async def test_a_retry_holds_back_what_came_after_it_on_its_key() -> None:
    async with memory_house() as house:
        handled: list[str] = []

        async def handler(text: str) -> None:
            handled.append(text)
            if handled == ["1"]:
                raise ValueError("once")

        await house.bus.subscribe("t", handler, retry=NOW)
        for text in ("1", "2", "3"):
            await house.bus.publish("t", text)
        await until(lambda: len(handled) == 4, "all")
        assert handled == ["1", "1", "2", "3"]


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_concurrency_bounds_what_runs_at_once_and_keeps_order(concurrency: int) -> None:
    async with memory_house() as house:
        running, most = 0, 0
        handled: dict[str, list[int]] = {}

        async def handler(key: str, number: int) -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            for _ in range(number % 4):
                await asyncio.sleep(0)
            running -= 1
            handled.setdefault(key, []).append(number)

        await house.bus.subscribe("t/{key}", handler, concurrency=concurrency)
        for number in range(200):
            await house.bus.publish(f"t/{number % 7}", number)
        await until(lambda: sum(map(len, handled.values())) == 200, "all")
        assert most == concurrency
        assert all(numbers == sorted(numbers) for numbers in handled.values())


async def test_without_order_a_slow_message_holds_nothing_back() -> None:
    async with memory_house() as house:
        gate = asyncio.Event()
        handled: list[str] = []

        async def handler(text: str) -> None:
            if text == "slow":
                await gate.wait()
            handled.append(text)

        await house.bus.subscribe("t", handler, order_by=None)
        for text in ("slow", "1", "2"):
            await house.bus.publish("t", text)
        await until(lambda: handled == ["1", "2"], "the quick ones")
        gate.set()
        await until(lambda: len(handled) == 3, "the slow one")


async def test_a_returned_value_answers_the_request() -> None:
    async with memory_house() as house:

        async def double(reading: Reading) -> Reading:
            return Reading(celsius=reading.celsius * 2)

        def in_a_thread(text: str) -> str:
            return f"{text} {threading.current_thread() is threading.main_thread()}"

        async def silent(message: Message) -> None: ...

        async def undeclared(text):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            return text

        await house.bus.subscribe("double", double)
        await house.bus.subscribe("thread", in_a_thread)
        await house.bus.subscribe("silent", silent, reply=True)
        await house.bus.subscribe("undeclared", undeclared)
        assert (await house.bus.request("double", {"celsius": 2})).json() == {"celsius": 4.0}
        assert (await house.bus.request("thread", "main:")).text() == "main: False"
        assert (await house.bus.request("silent")).payload == b""
        assert (await house.bus.request("undeclared", '"x"')).payload == b"x"


async def test_a_route_that_only_listens_does_not_answer() -> None:
    """Neither with nothing, nor with its own errors: those are dead letters."""
    async with memory_house() as house, house.bus.stream("dskity/dead-letter/#") as dead:

        async def answer(reading: Reading) -> str:
            await asyncio.sleep(0)
            return "here"

        async def logger(message: Message) -> None: ...

        async def strict(reading: int) -> None: ...

        await house.bus.subscribe("#", logger)
        await house.bus.subscribe("t", strict)
        await house.bus.subscribe("t", answer)
        assert (await house.bus.request("t", {"celsius": 2})).text() == "here"
        assert (await anext(dead)).headers["dskity-handler"].endswith("strict")


async def test_a_failed_request_is_answered_with_a_problem_and_is_no_dead_letter() -> None:
    async with memory_house() as house, house.bus.stream("dskity/dead-letter/#") as dead:
        tries = 0

        async def handler(reading: Reading) -> Reading:
            nonlocal tries
            tries += 1
            raise RuntimeError("secret")

        await house.bus.subscribe("t", handler, retry=NOW)
        with pytest.raises(RemoteError) as caught:
            await house.bus.request("t", {"celsius": 1})
        assert (caught.value.status, tries) == (500, 1)
        assert "secret" not in str(caught.value.problem)
        with pytest.raises(RemoteError) as caught:
            await house.bus.request("t", {"celsius": "x"})
        assert caught.value.status == 422
        await house.bus.publish("dskity/dead-letter/mark", b"")
        assert (await anext(dead)).topic.endswith("mark")


async def test_the_bound_in_flight_pauses_the_wire_and_nothing_is_lost() -> None:
    async with memory_house(max_in_flight=10) as house:
        gate = asyncio.Event()
        handled: list[int] = []

        async def handler(number: int) -> None:
            await gate.wait()
            handled.append(number)

        await house.bus.subscribe("t", handler)
        for number in range(100):
            await house.bus.publish("t", number)
        await until(lambda: house.dispatcher.in_flight.paused, "the pause")
        assert house.dispatcher.in_flight.messages <= 11
        gate.set()
        await until(lambda: len(handled) == 100, "all handled")
        assert handled == list(range(100))
        assert not house.dispatcher.in_flight.paused
        assert (house.dispatcher.in_flight.messages, house.dispatcher.in_flight.bytes) == (0, 0)


async def test_an_overload_of_qos_0_can_shed_the_oldest_and_counts_them() -> None:
    async with memory_house(max_in_flight=10, overload="drop_oldest") as house:
        gate = asyncio.Event()
        handled: list[int] = []

        async def handler(number: int) -> None:
            await gate.wait()
            handled.append(number)

        await house.bus.subscribe("t", handler, qos=0, order_by=None, concurrency=1)
        for number in range(30):
            await house.bus.publish("t", number, qos=0)
        route = house.dispatcher.routes[0]
        await until(lambda: route.stats.shed == 20, "twenty shed")
        assert not house.dispatcher.in_flight.paused
        gate.set()
        await until(lambda: len(handled) == 10, "the others")
        assert handled == list(range(20, 30))


async def test_a_slow_handler_does_not_stall_another() -> None:
    async with memory_house() as house:
        quick: list[int] = []

        async def stuck(message: Message) -> None:
            await asyncio.Event().wait()

        async def handler(number: int) -> None:
            quick.append(number)

        await house.bus.subscribe("stuck", stuck, timeout=None)
        await house.bus.subscribe("quick", handler)
        for number in range(50):
            await house.bus.publish("stuck", b"")
            await house.bus.publish("quick", number)
        await until(lambda: len(quick) == 50, "the quick ones")


async def test_a_handler_that_holds_the_loop_is_named(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(1000))
    async with memory_house() as house:

        async def greedy(message: Message) -> None: ...

        await house.bus.subscribe("t", greedy)
        with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
            clock = "dskity.handlers.route.handler_route.time.perf_counter"
            patch.setattr(clock, lambda: float(next(ticks)))
            await house.bus.publish("t", b"")
            await until(lambda: house.dispatcher.routes[0].stats.blocked, "the warning")
        assert "greedy held the event loop for 1000 ms" in caplog.text


async def test_a_dead_letter_waits_for_the_broker_and_the_message_is_not_lost() -> None:
    clock = VirtualClock()
    async with (
        memory_house(clock=clock, publish_timeout=0.01) as house,
        house.bus.stream("dskity/dead-letter/#", qos=1) as dead,
    ):

        async def handler(message: Message) -> None:
            if not message.duplicate:
                house.broker.stop()
            raise Reject("no broker to tell")

        await house.bus.subscribe("t", handler)
        await house.bus.publish("t", b"kept")
        await until(lambda: not house.bus.connected, "the broker away")
        await until(lambda: clock._sleepers, "the pause before the next try")
        house.broker.start()
        await until(lambda: house.bus.connected, "the broker back")
        await clock.advance(1)
        assert (await anext(dead)).payload == b"kept"
