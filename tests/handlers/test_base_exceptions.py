"""Whatever a handler raises is a failed attempt, and nothing else ends with it.

After each test the house is empty: every place in the flow, in the lanes and in the acknowledgement
window has come back, and the crew has a leader for what comes next.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel, PlainSerializer

from dskity.bus.base.clock import SYSTEM_CLOCK
from dskity.bus.bus import Bus
from dskity.bus.errors import RemoteError
from dskity.bus.memory import MemoryBroker
from dskity.bus.message import Message
from dskity.bus.store.spool import Spool
from dskity.bus.stream import MessageStream
from dskity.handlers import Dedupe, Dispatcher, RetryPolicy
from tests.handlers.stored.test_stored_and_dedupe import on_disk
from tests.house_bus import House, memory_house
from tests.waiting import until

THREE = RetryPolicy(attempts=3, backoff=0)


class Panic(BaseException):
    """As `pyo3_runtime.PanicException` of a Rust extension."""


def own_cancellation() -> BaseException:
    """Ask for it; it is raised at the next suspension, or by this code itself."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    return asyncio.CancelledError()


MAKERS: dict[str, Callable[[], BaseException]] = {
    "ValueError": ValueError,
    "SystemExit": lambda: SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "StopIteration": StopIteration,
    "RecursionError": RecursionError,
    "Panic": Panic,
    "BaseExceptionGroup": lambda: BaseExceptionGroup("several", [Panic(), SystemExit(1)]),
    "CancelledError": asyncio.CancelledError,
    "own cancellation": own_cancellation,
}
CHOSEN = {"maker": MAKERS["ValueError"]}


def fail(value: Any) -> Any:
    maker = CHOSEN["maker"]
    raise maker()


class Refused(BaseModel):
    """A payload model."""

    value: Annotated[int, AfterValidator(fail)]


class Unsendable(BaseModel):
    """A result."""

    value: Annotated[int, PlainSerializer(fail)]


every_exception = pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS.keys())
every_place = pytest.mark.parametrize("suspends", [0, 1, 3], ids=["first step", "later", "late"])


@asynccontextmanager
async def empty_at_the_end() -> AsyncIterator[tuple[House, MessageStream]]:
    async with memory_house() as house, house.bus.stream("dskity/dead-letter/#") as dead:
        yield house, dead
        await is_empty(house)
        seen: list[bytes] = []

        async def alive(message: Message) -> None:
            seen.append(message.payload)

        await house.bus.subscribe("is/it/alive", alive)
        await house.bus.publish("is/it/alive", b"yes")
        await until(lambda: seen == [b"yes"], "the crew goes on")


async def is_empty(house: House) -> None:
    session = house.transport._session
    assert session is not None
    await until(lambda: house.dispatcher.in_flight.messages == 0, "the flow is empty")
    await until(lambda: not session.unacked, "all acknowledged")
    for route in house.dispatcher.routes:
        await until(lambda route=route: not route._serializer.busy, "the lanes are empty")  # type: ignore[misc]
        assert not route._serializer.blocked
        assert route._open == 0
    assert house.dispatcher.in_flight.bytes == 0
    assert house.dispatcher._pool.running == {}


@asynccontextmanager
async def disk_house(
    folder: Path,
) -> AsyncIterator[tuple[Bus, Dispatcher, Spool, MessageStream]]:
    async with (
        on_disk(MemoryBroker(), folder, clock=SYSTEM_CLOCK) as (bus, dispatcher, _, inbox),
        bus.stream("dskity/dead-letter/#") as dead,
    ):
        yield bus, dispatcher, inbox, dead


@every_exception
@every_place
async def test_it_is_tried_as_often_as_the_policy_says_then_dead_lettered(
    maker: Callable[[], BaseException], suspends: int
) -> None:
    async with empty_at_the_end() as (house, dead):
        calls, handled = list[str](), list[str]()

        async def handler(text: str) -> None:
            calls.append(text)
            for _ in range(suspends):
                await asyncio.sleep(0)
            if text == "bad":
                raise maker()
            handled.append(text)

        await house.bus.subscribe("t/+", handler, retry=THREE)
        for topic, text in (("t/a", "bad"), ("t/a", "1"), ("t/b", "2"), ("t/a", "3")):
            await house.bus.publish(topic, text)
        letter = await asyncio.wait_for(anext(dead), 10)
        await until(lambda: len(handled) == 3, "the others")
        assert (letter.payload, letter.headers["dskity-attempts"]) == (b"bad", "3")
        assert calls.count("bad") == 3
        assert [text for text in handled if text != "2"] == ["1", "3"]
        stats = house.dispatcher.routes[0].stats
        assert (stats.handled, stats.failed, stats.retried) == (3, 1, 2)


@pytest.mark.parametrize("maker", [GeneratorExit, Panic, SystemExit, asyncio.CancelledError])
async def test_what_a_handler_awaits_may_raise_it(maker: Callable[[], BaseException]) -> None:
    async with empty_at_the_end() as (house, dead):
        handled: list[bytes] = []

        async def handler(message: Message) -> None:
            if message.payload == b"bad":
                future = asyncio.get_running_loop().create_future()
                asyncio.get_running_loop().call_soon(future.set_exception, maker())
                await future
            handled.append(message.payload)

        await house.bus.subscribe("t", handler, retry=THREE)
        for payload in (b"bad", b"1", b"2"):
            await house.bus.publish("t", payload)
        assert (await asyncio.wait_for(anext(dead), 10)).payload == b"bad"
        await until(lambda: handled == [b"1", b"2"], "the others")


@every_exception
async def test_a_success_in_the_last_attempt_counts(maker: Callable[[], BaseException]) -> None:
    async with empty_at_the_end() as (house, _):
        attempts = itertools.count(1)
        handled: list[int] = []

        async def handler(message: Message) -> None:
            attempt = next(attempts)
            for _ in range(attempt - 1):
                await asyncio.sleep(0)
            if attempt < 3:
                raise maker()
            handled.append(attempt)

        await house.bus.subscribe("t", handler, retry=THREE)
        await house.bus.publish("t", b"")
        await until(lambda: handled == [3], "the third attempt")


@every_place
async def test_a_handler_that_cancels_itself_and_returns_has_handled_its_message(
    suspends: int,
) -> None:
    """The cancellation is not the next message's failure, though they share a worker."""
    async with empty_at_the_end() as (house, _):
        handled: list[int] = []

        async def handler(number: int) -> None:
            for _ in range(suspends):
                await asyncio.sleep(0)
            own_cancellation()
            handled.append(number)

        async def innocent(number: int) -> None:
            await asyncio.sleep(0)
            handled.append(number)

        await house.bus.subscribe("t", handler, retry=THREE)
        await house.bus.subscribe("i", innocent, retry=RetryPolicy(attempts=1))
        for number in range(6):
            await house.bus.publish("ti"[number % 2], number)
        await until(lambda: sorted(handled) == [*range(6)], "all of them")
        assert [route.stats.failed for route in house.dispatcher.routes] == [0, 0]


@pytest.mark.parametrize("at", ["idle", "told to lead", "retry", "dead letter", "reply"])
async def test_a_worker_that_is_cancelled_from_elsewhere_goes_on(at: str) -> None:
    """A handler's own background task may have kept its worker."""
    async with empty_at_the_end() as (house, dead):
        workers = house.dispatcher._pool._workers
        handled, fails = list[int](), {"retry", "dead letter"}

        async def handler(number: int) -> int:
            await asyncio.sleep(0)
            handled.append(number)
            if number == 0 and at in fails:
                raise ValueError
            return number

        retry = RetryPolicy(attempts=2 if at == "retry" else 1, backoff=0.05, jitter=False)
        await house.bus.subscribe("t", handler, retry=retry)
        asking = asyncio.ensure_future(house.bus.request("t", 0)) if at == "reply" else None
        if asking is None:
            await house.bus.publish("t", 0)
        if at in {"idle", "told to lead"}:
            await is_empty(house)
        else:
            await until(lambda: handled, "it has begun")
        if at == "told to lead":
            house.dispatcher._pool._lead_on()
        for _ in range(3):
            for worker in tuple(workers):
                worker.cancel()
            await asyncio.sleep(0)
        await house.bus.publish("t", 1)
        await until(lambda: 1 in handled, "the next one")
        if asking is not None:
            assert (await asking).json() == 0
        if at == "dead letter":
            assert (await asyncio.wait_for(anext(dead), 10)).payload == b"0"
        assert handled == ([0, 0, 1] if at == "retry" else [0, 1])


async def test_a_new_worker_that_is_cancelled_before_its_first_step_has_a_successor() -> None:
    async with empty_at_the_end() as (house, _):
        handled: list[int] = []

        async def handler(number: int) -> None:
            handled.append(number)
            await asyncio.sleep(0)

        await house.bus.subscribe("t/+", handler)
        pool, start = house.dispatcher._pool, house.dispatcher._pool._start_worker

        def start_and_cancel() -> asyncio.Task[None]:
            worker = start()
            pool._start_worker = start  # type: ignore[method-assign]
            worker.cancel()
            return worker

        pool._start_worker = start_and_cancel  # type: ignore[method-assign]
        await house.bus.publish("t/a", 1)
        await until(lambda: handled == [1], "it is handled all the same")


@every_exception
async def test_order_and_dedupe_keys_and_validators_may_raise_it(
    maker: Callable[[], BaseException], tmp_path: Path
) -> None:
    async with disk_house(tmp_path) as (bus, dispatcher, _, dead):
        handled: list[str] = []

        CHOSEN["maker"] = maker

        async def handler(message: Message) -> None:
            handled.append(message.topic)

        async def modelled(model: Refused) -> None:
            handled.append("never")

        await bus.subscribe("ordered", handler, order_by=fail)
        await bus.subscribe("deduped", handler, dedupe=Dedupe(fail), retry=THREE)
        await bus.subscribe("modelled", modelled, retry=THREE)
        await bus.subscribe("clean", handler)
        for topic in ("ordered", "deduped", "modelled", "clean"):
            await bus.publish(topic, {"value": 1})
        letters = {(await asyncio.wait_for(anext(dead), 10)).topic for _ in range(2)}
        assert letters == {"dskity/dead-letter/deduped", "dskity/dead-letter/modelled"}
        await until(lambda: len(handled) == 2, "the others")
        assert sorted(handled) == ["clean", "ordered"]
        await until(lambda: dispatcher.in_flight.messages == 0, "the flow is empty")


@every_exception
async def test_stored_and_deduped_and_threaded_handlers_may_raise_it(
    maker: Callable[[], BaseException], tmp_path: Path
) -> None:
    async with disk_house(tmp_path) as (bus, dispatcher, inbox, dead):
        handled: list[str] = []

        async def handler(message: Message) -> None:
            await asyncio.sleep(0)
            if message.payload == b'{"id":0}':
                raise maker()
            handled.append(message.topic)

        def plain(message: Message) -> None:
            if message.payload == b'{"id":0}':
                raise SystemExit if maker is own_cancellation else maker()
            handled.append(message.topic)

        await bus.subscribe("stored", handler, ack="stored", retry=THREE)
        await bus.subscribe("deduped", handler, dedupe=Dedupe("id"), retry=THREE)
        await bus.subscribe("plain", plain, retry=THREE)
        for number in range(2):
            for topic in ("stored", "deduped", "plain"):
                await bus.publish(topic, {"id": number})
        letters = [await asyncio.wait_for(anext(dead), 10) for _ in range(3)]
        assert {letter.topic.rpartition("/")[2] for letter in letters} == {
            "stored", "deduped", "plain",
        }  # fmt: skip
        assert {letter.headers["dskity-attempts"] for letter in letters} == {"3"}
        await until(lambda: len(handled) == 3, "the others")
        await until(lambda: inbox.messages == 0, "the inbox is empty")
        await until(lambda: dispatcher.in_flight.messages == 0, "the flow is empty")


@every_exception
async def test_a_request_is_answered_with_an_error(maker: Callable[[], BaseException]) -> None:
    async with empty_at_the_end() as (house, _):

        async def handler(message: Message) -> int:
            await asyncio.sleep(0)
            raise maker()

        await house.bus.subscribe("t", handler)
        with pytest.raises(RemoteError) as caught:
            await house.bus.request("t", b"")
        assert caught.value.status == 500


@every_exception
async def test_a_result_whose_serializer_raises_it_is_answered_with_an_error(
    maker: Callable[[], BaseException],
) -> None:
    async with empty_at_the_end() as (house, _):
        CHOSEN["maker"] = maker

        async def handler(message: Message) -> Unsendable:
            return Unsendable(value=1)

        await house.bus.subscribe("t", handler)
        with pytest.raises(RemoteError):
            await house.bus.request("t", b"")


async def test_a_fault_of_ours_is_a_dead_letter_and_what_waits_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with empty_at_the_end() as (house, dead):

        async def handler(message: Message) -> None:
            raise ValueError

        await house.bus.subscribe("t", handler, retry=THREE)
        route = house.dispatcher.routes[0]

        def fail(*_: object) -> bool:
            raise Panic

        monkeypatch.setattr(route._retrying, "_again", fail)
        for number in range(3):
            await house.bus.publish("t", number)
        letters = [(await asyncio.wait_for(anext(dead), 10)).payload for _ in range(3)]
        assert letters == [b"0", b"1", b"2"]
        assert "an error in the processing" in caplog.text
