"""Requests in numbers, and replies that come late, twice, never or for nobody."""

from __future__ import annotations

import asyncio

import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.bus.errors import InvalidInput, NoResponder, RequestTimeout
from dskity.bus.memory import CAPABILITIES, MemoryBroker
from dskity.bus.message import Message
from tests.house_bus import memory_house
from tests.waiting import until


async def test_thousands_in_parallel_each_get_their_own_reply() -> None:
    async with memory_house() as house:

        async def double(payload: bytes) -> int:
            number = int(payload)
            for _ in range(number % 3):
                await asyncio.sleep(0)
            return number * 2

        await house.bus.subscribe("double/+", double, order_by=None)
        replies = await asyncio.gather(
            *(house.bus.request(f"double/{n % 7}", n, timeout=30) for n in range(2_000))
        )
        assert [reply.json() for reply in replies] == [n * 2 for n in range(2_000)]
        assert len(house.bus._replies) == 0
        assert house.bus._replies.unknown == 0


async def test_duplicate_unknown_and_late_replies_are_counted_and_nothing_else() -> None:
    async with memory_house() as house:
        replies = house.bus._replies
        asked: list[Message] = []

        async def device(message: Message) -> None:
            asked.append(message)

        await house.bus.subscribe("ask", device)
        request = asyncio.create_task(house.bus.request("ask", b"1"))
        await until(lambda: asked, "the request")
        for _ in range(3):
            await house.bus.reply(asked[0], b"yes")
        await house.bus.publish(f"{replies.prefix}nobody", b"?")
        assert (await request).payload == b"yes"
        await until(lambda: replies.unknown == 3, "two duplicates and an unknown one")
        with pytest.raises(RequestTimeout):
            await house.bus.request("ask", b"2", timeout=0.01)
        await house.bus.reply(asked[-1], b"late")
        await until(lambda: replies.unknown == 4, "the late one")
        assert len(replies) == 0


async def test_a_reply_with_what_no_wire_can_carry_is_refused() -> None:
    """As a publish and a request are: a broker would hang up on it."""
    async with memory_house() as house:
        asked = Message("ask", reply_to="answers")
        for fields in ({"headers": {"h": "a\0b"}}, {"content_type": "x" * 65_536}):
            with pytest.raises(InvalidInput):
                await house.bus.reply(asked, b"", **fields)


async def test_a_request_that_is_cancelled_or_has_no_responder_is_forgotten() -> None:
    async with memory_house() as house:

        async def never(message: Message) -> bytes:
            await asyncio.Event().wait()
            return b""

        await house.bus.subscribe("never", never, timeout=None)
        requests = [asyncio.create_task(house.bus.request("never")) for _ in range(100)]
        await until(lambda: len(house.bus._replies) == 100, "all under way")
        for request in requests:
            request.cancel()
        await asyncio.wait(requests)
        with pytest.raises(NoResponder):
            await house.bus.request("nobody")
        assert len(house.bus._replies) == 0


async def test_the_time_that_was_waited_for_the_broker_is_taken_off_the_deadline() -> None:
    clock = VirtualClock()
    broker = MemoryBroker(clock=clock)
    async with (
        memory_house(broker=broker, client_id="device", clock=clock) as device,
        memory_house(broker=broker, clock=clock, publish_timeout=60) as house,
    ):
        left: list[float | None] = []

        async def answer(message: Message) -> bytes:
            left.append(message.expires_in)
            return b""

        await device.bus.subscribe("ask", answer)
        broker.stop()
        request = asyncio.create_task(house.bus.request("ask", timeout=10))
        await clock.advance(8)
        assert not request.done()
        broker.start()
        await request
        assert left == [pytest.approx(2)]


async def test_a_request_has_its_time_by_the_clock_of_the_bus() -> None:
    clock = VirtualClock()
    async with memory_house(clock=clock) as house:

        async def never(message: Message) -> bytes:
            await asyncio.Event().wait()
            return b""

        await house.bus.subscribe("never", never, timeout=None)
        request = asyncio.create_task(house.bus.request("never", timeout=60))
        await clock.advance(59)
        assert not request.done()
        await clock.advance(2)
        with pytest.raises(RequestTimeout, match="within 60 s"):
            await request


async def test_an_expired_request_in_an_envelope_is_not_handled() -> None:
    """MQTT 3.1.1 brokers keep what MQTT 5 ones would have thrown away."""
    clock = VirtualClock()
    broker = MemoryBroker(clock=clock, capabilities=CAPABILITIES.but(headers=False, expiry=False))
    async with (
        memory_house(broker=broker, client_id="device", clock=clock, hold=True) as device,
        memory_house(broker=broker, clock=clock) as house,
    ):
        handled: list[bytes] = []

        async def act(payload: bytes) -> bytes:
            handled.append(payload)
            return b"done"

        await device.bus.subscribe("act", act)
        device.transport.lose("away")
        request = asyncio.create_task(house.bus.request("act", b"late", timeout=5))
        await clock.advance(6)
        with pytest.raises(RequestTimeout):
            await request
        device.transport.connect_soon()
        device.bus.open()
        assert (await house.bus.request("act", b"in time", timeout=5)).payload == b"done"
        assert handled == [b"in time"]
        assert device.bus.counters.expired == 1


async def test_a_request_that_seems_a_year_late_is_handled() -> None:
    """No broker keeps one so long: a sender that boots without a clock must not be deaf for it."""
    there, here = VirtualClock(), VirtualClock(start=1_700_000_000 + 400 * 86_400.0)
    broker = MemoryBroker(capabilities=CAPABILITIES.but(headers=False, expiry=False))
    async with (
        memory_house(broker=broker, client_id="device", clock=here) as device,
        memory_house(broker=broker, clock=there) as house,
    ):

        async def act(payload: bytes) -> bytes:
            return payload

        await device.bus.subscribe("act", act)
        assert (await house.bus.request("act", b"on time")).payload == b"on time"
