"""`dskity.v1.Bus` with a real client: publish, subscribe, request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any

import grpc
import pytest

from dskity.bus.delivery import Delivery
from dskity.bus.message import Message
from dskity.modules.grpc.v1 import dskity_pb2 as pb
from dskity.modules.grpc.v1.dskity_pb2_grpc import BusStub
from tests.grpc.doors import Door, open_door
from tests.waiting import until


async def collected(door: Door, filter: str) -> list[Message]:
    """What a handler on the bus gets from now on."""
    seen: list[Message] = []

    def accept(delivery: Delivery, captures: Mapping[str, str]) -> None:
        seen.append(delivery.message())
        delivery.done()

    await door.house.bus.attach(filter, accept)
    return seen


async def read(call: AsyncIterable[Any]) -> tuple[list[Any], grpc.aio.AioRpcError]:
    """All that a stream yields, and the error that ends it."""
    got: list[Any] = []
    try:
        async for one in call:
            got.append(one)  # noqa: PERF401  # what came before the error counts
    except grpc.aio.AioRpcError as error:
        return got, error
    raise AssertionError("the stream ended without an error")


async def test_publish_puts_a_message_on_the_bus(door: Door) -> None:
    """With all its fields; the receipt says who keeps it, and whether anybody is subscribed."""
    seen = await collected(door, "plant/#")
    receipt = await BusStub(door.channel).Publish(
        pb.PublishRequest(
            topic="plant/vent",
            payload=b"\x00\xff",
            qos=2,
            content_type="application/x-vent",
            headers={"k": "v"},
            expires_in=30,
        ),
        metadata=(("x-request-id", "r-1"),),
    )
    await until(lambda: seen, "the message")
    message = seen[0]
    assert (receipt.topic, receipt.qos, receipt.accepted) == ("plant/vent", 2, pb.ACCEPTED_BROKER)
    assert receipt.matched is True
    assert (message.payload, message.content_type) == (b"\x00\xff", "application/x-vent")
    assert message.headers == {"k": "v", "request-id": "r-1"}
    assert message.expires_in == pytest.approx(30, abs=5)


async def test_publish_is_qos_1_unless_it_says_otherwise(door: Door) -> None:
    """QoS 0 is only sent."""
    publish = BusStub(door.channel).Publish
    assert (await publish(pb.PublishRequest(topic="t"))).qos == 1
    receipt = await publish(pb.PublishRequest(topic="t", qos=0))
    assert (receipt.accepted, receipt.HasField("matched")) == (pb.ACCEPTED_SENT, False)


async def test_publish_stream_answers_each_message(door: Door) -> None:
    """In order; the first that cannot be published ends the call."""

    async def messages() -> AsyncIterator[pb.PublishRequest]:
        for topic in ("a", "b", "not/#/allowed", "c"):
            yield pb.PublishRequest(topic=topic)

    receipts, error = await read(BusStub(door.channel).PublishStream(messages()))
    assert [receipt.topic for receipt in receipts] == ["a", "b"]
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_subscribe_streams_what_matches(door: Door) -> None:
    """The initial metadata says that from now on nothing is missed."""
    call = BusStub(door.channel).Subscribe(pb.SubscribeRequest(filter="plant/{device}/state"))
    await call.initial_metadata()
    await door.house.bus.publish("plant/vent/other", b"no")
    await door.house.bus.publish("plant/vent/state", {"open": 40}, headers={"k": "v"})
    message = await call.read()
    assert isinstance(message, pb.Message)
    assert (message.topic, message.payload) == ("plant/vent/state", b'{"open":40}')
    assert (message.content_type, dict(message.headers)) == ("application/json", {"k": "v"})
    assert (message.qos, message.retain, message.duplicate) == (1, False, False)


async def test_a_subscriber_gets_what_is_retained(door: Door) -> None:
    """And is told that it is."""
    await door.house.bus.publish("plant/state", b"on", retain=True)
    call = BusStub(door.channel).Subscribe(pb.SubscribeRequest(filter="plant/state"))
    message = await call.read()
    assert isinstance(message, pb.Message)
    assert (message.payload, message.retain) == (b"on", True)


async def test_cancelling_a_subscription_ends_it_on_the_bus(door: Door) -> None:
    """Nothing is left of it, nor after a deadline."""
    before = len(door.house.bus.subscriptions)
    subscribe = BusStub(door.channel).Subscribe
    cancelled = subscribe(pb.SubscribeRequest(filter="a"))
    await cancelled.initial_metadata()
    expired = subscribe(pb.SubscribeRequest(filter="b"), timeout=0.3)
    await expired.initial_metadata()
    assert len(door.house.bus.subscriptions) == before + 2
    cancelled.cancel()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await expired.read()
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await until(lambda: len(door.house.bus.subscriptions) == before, "the end of both")


async def test_a_slow_subscriber_is_ended_and_nobody_else_is_held_up() -> None:
    """It gets what was kept for it without a gap, then RESOURCE_EXHAUSTED."""
    async with open_door(buffer=5) as door:
        seen = await collected(door, "flood")
        call = BusStub(door.channel).Subscribe(pb.SubscribeRequest(filter="flood"))
        await call.initial_metadata()
        for number in range(100):
            await door.house.bus.publish("flood", number.to_bytes(4, "big") + bytes(100_000))
        await until(lambda: len(seen) == 100, "all messages at the quick one")
        messages, error = await read(call)
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "grpc.stream_buffer" in str(error.details())
        numbers = [int.from_bytes(message.payload[:4], "big") for message in messages]
        assert numbers == list(range(len(numbers)))
        assert 5 <= len(numbers) < 100


async def test_request_answers_with_the_reply(door: Door) -> None:
    """The responder sees the request id."""

    async def handler(message: Message) -> dict[str, object]:
        return {"id": message.headers["request-id"], "asked": message.text()}

    await door.house.bus.subscribe("ask", handler)
    reply = await BusStub(door.channel).Request(
        pb.RequestRequest(topic="ask", payload=b"how?"), metadata=(("x-request-id", "r-2"),)
    )
    assert reply.payload == b'{"id":"r-2","asked":"how?"}'


async def test_request_ends_with_its_timeout_or_the_deadline(door: Door) -> None:
    """Whichever is first."""
    release = asyncio.Event()

    async def handler(_: Message) -> None:
        await release.wait()

    await door.house.bus.subscribe("ask", handler)
    for timeout, deadline in ((0.1, None), (30.0, 0.3)):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await BusStub(door.channel).Request(
                pb.RequestRequest(topic="ask", timeout=timeout), timeout=deadline
            )
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    release.set()


@pytest.mark.parametrize(
    "fields",
    [
        {"topic": "a\x01b"},
        {"headers": {"a": "b\n"}},
        {"headers": {"a\x9b": "b"}},
        {"content_type": "\x7f"},
    ],
)
async def test_text_that_may_not_travel_is_an_invalid_argument(
    door: Door, fields: dict[str, Any]
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await BusStub(door.channel).Publish(pb.PublishRequest(**{"topic": "a", **fields}))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "U+" in (caught.value.details() or "")
