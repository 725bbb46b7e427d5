"""What anybody can send: it never breaks the connection, nor the lane of its topic."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from dskity.bus import envelope
from dskity.bus.errors import InvalidPayload
from dskity.bus.memory import CAPABILITIES
from dskity.bus.message import Message, encode_payload
from dskity.handlers import RetryPolicy
from tests.house_bus import memory_house
from tests.waiting import until

DEEP = b'{"specversion":"1.0","type":"dev.dskity.message.v1","data":' + b"[" * 200_000


def envelope_with(**members: Any) -> bytes:
    return json.dumps({"specversion": "1.0", "type": envelope.ENVELOPE_TYPE, **members}).encode()


STRANGE = [
    DEEP,
    DEEP + b"]" * 200_000 + b"}",
    envelope_with(replyto=5),
    envelope_with(replyto=["a"]),
    envelope_with(correlationid=5),
    envelope_with(datacontenttype={"a": 1}),
    envelope_with(expirytime=5),
    envelope_with(expirytime="0001-01-01T00:00:00"),
    envelope_with(data_base64="not base64"),
    envelope_with(h__ff="x"),
]


@pytest.mark.parametrize("payload", STRANGE, ids=lambda payload: payload[45:80].decode())
async def test_a_strange_envelope_is_a_payload_like_any_other(payload: bytes) -> None:
    assert envelope.unwrap(payload, 0.0) is None
    async with memory_house() as house:
        handled: list[bytes] = []

        async def handler(payload: bytes) -> None:
            handled.append(payload)

        await house.bus.subscribe("t", handler)
        for each in (payload, b"next"):
            await house.bus.publish("t", each)
        await until(lambda: len(handled) == 2, "both")
        assert handled == [payload, b"next"]


def test_an_expiry_beyond_what_mqtt_can_tell_is_the_longest_it_can() -> None:
    opened = envelope.unwrap(envelope_with(expirytime="9000-01-01T00:00:00Z"), 0.0)
    assert opened is not None
    assert opened[1].expires_in == 4_294_967_295


@pytest.mark.parametrize("header", ["NUL \0", "x" * 70_000])
async def test_a_header_that_no_wire_carries_holds_up_no_lane(header: str) -> None:
    """It comes in an envelope, and goes on with the dead letter."""
    capabilities = CAPABILITIES.but(headers=False)
    async with memory_house(capabilities=capabilities) as house:
        tried: list[bytes] = []

        async def handler(payload: bytes) -> None:
            await asyncio.sleep(0)
            tried.append(payload)
            raise ValueError("no")

        await house.bus.subscribe("t", handler, retry=RetryPolicy(attempts=1))
        for payload in (envelope_with(h_a=header, data_base64="MQ=="), b"2"):
            await house.bus.publish("t", payload)
        await until(lambda: len(tried) == 2, "both")
        await until(lambda: house.dispatcher.in_flight.messages == 0, "their end")


@pytest.mark.parametrize("payload", [b"[" * 200_000, b"1" * 5_000, b"\xff"])
def test_json_that_cannot_be_read_is_an_invalid_payload(payload: bytes) -> None:
    with pytest.raises(InvalidPayload):
        Message("t", payload).json()


def test_what_cannot_be_published_says_so() -> None:
    loop: list[Any] = []
    loop.append(loop)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for payload in ("\ud800", loop, deep, object()):
        with pytest.raises(InvalidPayload):
            encode_payload(payload)
