"""Middleware round handlers: its order, what it is given, what it may change."""

from __future__ import annotations

import asyncio
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from pydantic import BaseModel

from dskity.bus.bus import Bus
from dskity.bus.errors import DSkityError, InvalidHandler
from dskity.bus.message import Message
from dskity.bus.middleware import Call, Middleware, Next
from dskity.handlers import Drop, Reject, Retry, RetryPolicy, on
from tests.house_bus import House, memory_house
from tests.waiting import until

ONCE = RetryPolicy(attempts=1)
THREE = RetryPolicy(attempts=3, backoff=0, jitter=False)


class Reading(BaseModel):
    celsius: float


def noting(name: str, log: list[str]) -> Middleware:
    """One that notes when it is entered and left."""

    async def note(call: Call, message: Message, next: Next) -> Any:
        log.append(f"{name} in")
        try:
            return await next(call, message)
        finally:
            log.append(f"{name} out")

    return note


async def handled(house: House, count: int = 1) -> None:
    route = house.dispatcher.routes[0]
    await until(lambda: route.stats.handled == count, "the message is handled")


async def test_the_bus_is_outside_the_module_and_the_module_outside_the_route() -> None:
    log: list[str] = []
    async with memory_house() as house:
        scope = house.bus.scope("climate")
        scope.use(noting("module", log))
        house.bus.use(noting("bus 1", log), noting("bus 2", log))

        async def handler(message: Message) -> None:
            log.append("handler")

        await scope.subscribe("t", handler, middleware=[noting("route", log)])
        await house.bus.publish("t")
        await handled(house)
    into = ["bus 1 in", "bus 2 in", "module in", "route in", "handler"]
    assert log == [*into, "route out", "module out", "bus 2 out", "bus 1 out"]


async def test_a_module_s_middleware_is_round_the_handlers_of_no_other_module() -> None:
    log: list[str] = []
    async with memory_house() as house:
        house.bus.scope("climate").use(noting("climate", log))

        async def handler(message: Message) -> None: ...

        await house.bus.scope("lights").subscribe("t", handler)
        await house.bus.publish("t")
        await handled(house)
    assert log == []


async def test_middleware_is_round_the_handlers_that_are_subscribed_after_it() -> None:
    log: list[str] = []
    async with memory_house() as house:

        async def handler(message: Message) -> None: ...

        await house.bus.subscribe("t", handler)
        house.bus.use(noting("late", log))
        await house.bus.publish("t")
        await handled(house)
    assert log == []


async def test_a_module_s_middleware_is_round_its_handlers_on_every_connection() -> None:
    log: list[str] = []
    async with memory_house() as house, memory_house() as other:
        house.bus.add_connection("plant", other.bus)
        other.bus.use(noting("plant", log))
        house.bus.use(noting("default", log))
        scope = house.bus.scope("climate")
        scope.use(noting("module", log))

        async def handler(message: Message) -> None: ...

        await scope.subscribe("t", handler, connection="plant")
        await other.bus.publish("t")
        await handled(other)
    assert log == ["plant in", "module in", "module out", "plant out"]


async def test_a_call_says_what_is_called() -> None:
    calls: list[Call] = []

    async def note(call: Call, message: Message, next: Next) -> Any:
        calls.append(call)
        return await next(call, message)

    async with memory_house() as house:

        async def telemetry(reading: Reading, device: str) -> None:
            if call_count() < 2:
                raise ValueError

        def call_count() -> int:
            return len(calls)

        await house.bus.scope("climate").subscribe(
            "devices/{device}/telemetry", telemetry, retry=THREE, timeout=7, middleware=[note]
        )
        await house.bus.publish("devices/a/telemetry", Reading(celsius=1))
        await handled(house)
    first, second = calls
    name = "climate.test_a_call_says_what_is_called.telemetry"
    assert first == Call(name, "climate", "devices/{device}/telemetry", {"device": "a"}, 1, 3, 7.0)
    assert second == replace(first, attempt=2)
    with pytest.raises(FrozenInstanceError):
        first.attempt = 4  # type: ignore[misc]
    with pytest.raises(TypeError):
        first.captures["device"] = "b"  # type: ignore[index]


async def test_a_retry_calls_the_chain_again_with_the_message_as_it_came() -> None:
    seen: list[tuple[int, bytes]] = []

    async def change(call: Call, message: Message, next: Next) -> Any:
        seen.append((call.attempt, message.payload))
        return await next(call, replace(message, payload=b"changed"))

    async with memory_house() as house:

        async def handler(payload: bytes) -> None:
            if len(seen) < 3:
                raise ValueError(payload)

        await house.bus.subscribe("t", handler, retry=THREE, middleware=[change])
        await house.bus.publish("t", b"came")
        await handled(house)
    assert seen == [(1, b"came"), (2, b"came"), (3, b"came")]


async def test_what_a_middleware_passes_on_is_what_the_handler_gets() -> None:
    got: list[Any] = []

    async def change(call: Call, message: Message, next: Next) -> Any:
        changed = replace(message, topic="elsewhere", payload=b'{"celsius": 21}')
        return await next(replace(call, captures={"device": "b"}), changed)

    async with memory_house() as house:

        async def handler(reading: Reading, device: str, message: Message) -> None:
            got.append((reading.celsius, device, message.topic))

        await house.bus.subscribe("t/{device}", handler, middleware=[change])
        await house.bus.publish("t/a", b"\x00encrypted")
        await handled(house)
    assert got == [(21.0, "b", "elsewhere")]


async def test_a_dead_letter_has_the_message_as_it_came() -> None:
    async def change(call: Call, message: Message, next: Next) -> Any:
        return await next(call, replace(message, payload=b"changed"))

    async with memory_house() as house, house.bus.stream("dskity/dead-letter/#", qos=1) as dead:

        async def handler(payload: bytes) -> None:
            raise Reject(payload.decode())

        await house.bus.subscribe("t", handler, middleware=[change])
        await house.bus.publish("t", b"came")
        letter = await anext(dead)
    assert letter.payload == b"came"
    assert letter.headers["dskity-error"] == "Reject: changed"


async def test_a_payload_that_does_not_fit_is_seen_by_the_middleware() -> None:
    """Decoding is the last link, behind whatever may decrypt or decompress."""
    seen: list[str] = []

    async def note(call: Call, message: Message, next: Next) -> Any:
        try:
            return await next(call, message)
        except DSkityError as error:
            seen.append(type(error).__name__)
            raise

    async with memory_house() as house:

        async def handler(reading: Reading) -> None: ...

        await house.bus.subscribe("t", handler, retry=THREE, middleware=[note])
        await house.bus.publish("t", b"no number")
        await until(lambda: house.dispatcher.routes[0].stats.dead_lettered, "the dead letter")
        assert house.dispatcher.routes[0].stats.invalid == 1
    assert seen == ["InvalidPayload"]


@pytest.mark.parametrize(
    ("raised", "counts"),
    [
        (Drop("not today"), {"handled": 0, "dropped": 1, "dead_lettered": 0, "retried": 0}),
        (Reject("never"), {"handled": 0, "dropped": 0, "dead_lettered": 1, "retried": 0}),
        (Retry("soon", after=0), {"handled": 0, "dropped": 0, "dead_lettered": 1, "retried": 2}),
        (ValueError("bad"), {"handled": 0, "dropped": 0, "dead_lettered": 1, "retried": 2}),
    ],
)
@pytest.mark.parametrize("place", ["before", "after"])
async def test_what_a_middleware_raises_counts_as_what_the_handler_raises(
    raised: Exception, counts: dict[str, int], place: str
) -> None:
    async def fail(call: Call, message: Message, next: Next) -> Any:
        if place == "after":
            await next(call, message)
        raise raised

    async with memory_house() as house:

        async def handler(message: Message) -> None: ...

        await house.bus.subscribe("t", handler, retry=THREE, middleware=[fail])
        await house.bus.publish("t")
        route = house.dispatcher.routes[0]
        await until(lambda: route.stats.dropped + route.stats.dead_lettered, "the end")
        assert {name: getattr(route.stats, name) for name in counts} == counts


async def test_a_middleware_may_catch_what_the_handler_raises() -> None:
    async def forgive(call: Call, message: Message, next: Next) -> Any:
        try:
            return await next(call, message)
        except ValueError:
            return None

    async with memory_house() as house:

        async def handler(message: Message) -> None:
            raise ValueError

        await house.bus.subscribe("t", handler, middleware=[forgive])
        await house.bus.publish("t")
        await handled(house)
        assert house.dispatcher.routes[0].stats.retried == 0


async def test_a_message_that_no_middleware_passes_on_is_handled_without_its_handler() -> None:
    called: list[Message] = []

    async def swallow(call: Call, message: Message, next: Next) -> Any:
        return None

    async with memory_house() as house:
        await house.bus.subscribe("t", called.append, middleware=[swallow])
        await house.bus.publish("t")
        await handled(house)
    assert called == []


async def test_a_middleware_that_calls_next_twice_has_it_twice_within_one_attempt() -> None:
    calls: list[int] = []

    async def twice(call: Call, message: Message, next: Next) -> Any:
        await next(call, message)
        return await next(call, message)

    async with memory_house() as house:

        async def handler(message: Message) -> None:
            await asyncio.sleep(0)
            calls.append(1)

        await house.bus.subscribe("t", handler, middleware=[twice])
        await house.bus.publish("t")
        await handled(house)
        assert house.dispatcher.routes[0].unfinished == 0
    assert calls == [1, 1]


async def test_a_plain_handler_and_a_capture_of_a_type_are_inside_a_chain_as_outside() -> None:
    got: list[tuple[int, bytes]] = []

    def handler(number: int, payload: bytes) -> None:
        got.append((number, payload))

    async with memory_house() as house:
        await house.bus.subscribe("t/{number}", handler, middleware=[noting("any", [])])
        await house.bus.publish("t/7", b"x")
        await handled(house)
    assert got == [(7, b"x")]


# What is refused, at once


class Plain:
    def __call__(self, call: Call, message: Message, next: Next) -> Any: ...


class Counting:
    """Middleware with a state."""

    def __init__(self) -> None:
        self.count = 0

    async def __call__(self, call: Call, message: Message, next: Next) -> Any:
        self.count += 1
        return await next(call, message)

    async def method(self, call: Call, message: Message, next: Next) -> Any:
        return await next(call, message)


def plain(call: Call, message: Message, next: Next) -> Any: ...


async def yields(call: Call, message: Message) -> Any:
    yield


async def two(message: Message, next: Next) -> Any: ...


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (plain, "plain is not an async function.* write `async def plain\\(call, message, next\\)"),
        (Plain(), "Plain is not an async function, and would hold the event loop"),
        (Counting, r"Counting is a class: write Counting\(\), an instance"),
        (yields, "yields has a `yield`: write `async def yields"),
        (two, "does not take \\(call, message, next\\)"),
        (Counting.method, r"clients\.bus\.use\(self\.method\)"),
        ("timing", "'timing' cannot be called"),
    ],
)
async def test_what_is_no_middleware_is_refused_with_what_to_write(entry: Any, says: str) -> None:
    with pytest.raises(InvalidHandler, match=says):
        on("t", middleware=[entry])
    async with memory_house() as house:
        with pytest.raises(InvalidHandler, match=says):
            house.bus.use(entry)
        with pytest.raises(InvalidHandler, match=says):
            await house.bus.subscribe("t", lambda message: None, middleware=[entry])


def test_a_middleware_without_its_list_is_refused_with_what_to_write() -> None:
    with pytest.raises(InvalidHandler, match=r"write a list, as in middleware=\[timing\]"):
        on("t", middleware=noting("any", []))


async def test_an_object_may_be_a_middleware_and_so_may_a_method_of_it() -> None:
    counting = Counting()
    async with memory_house() as house:
        house.bus.use(counting, counting.method)

        async def handler(message: Message) -> None: ...

        await house.bus.subscribe("t", handler)
        await house.bus.publish("t")
        await handled(house)
    assert counting.count == 1


def test_a_bus_shows_what_runs_round_its_next_handler() -> None:
    first, second = noting("first", []), noting("second", [])

    async def shows(bus: Bus) -> None:
        bus.use(first)
        scope = bus.scope("climate")
        scope.use(second)
        assert (bus.middleware, scope.middleware) == ((first,), (first, second))

    async def main() -> None:
        async with memory_house() as house:
            await shows(house.bus)

    asyncio.run(main())
