"""A signature is bound once, at registration, with errors that teach."""

from __future__ import annotations

import functools
import logging
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from dskity.bus import topics
from dskity.bus.bus import Bus
from dskity.bus.delivery import Delivery, Meta
from dskity.bus.errors import InvalidHandler, InvalidPayload
from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.bus.message import Message
from dskity.handlers import Dispatcher
from dskity.handlers.binding import bind


class Reading(BaseModel):
    celsius: float


class Store:
    """Something a dispatcher provides."""


STORE = Store()
BUS = Bus(MemoryTransport(MemoryBroker()), Dispatcher())


async def call(
    handler: Any, pattern: str, topic: str, payload: bytes, meta: Meta | None = None
) -> Any:
    parsed = topics.parse(pattern)
    binding = bind(handler, parsed, BUS, {Store: STORE})
    delivery = Delivery(topic, payload, 1, False, False, meta)
    captures = parsed.capture(topic)
    return await binding.call(*[get(delivery, captures) for get in binding.getters])


async def test_captures_go_by_name_injections_by_type_and_the_rest_is_the_payload() -> None:
    async def handler(
        device: str, reading: Reading, bus: Bus, store: Store, logger: logging.Logger
    ) -> tuple[Any, ...]:
        return device, reading.celsius, bus, store, logger.name

    found = await call(handler, "d/{device}", "d/x", b'{"celsius": 1}')
    assert found == ("x", 1.0, BUS, STORE, "dskity.handlers")


@pytest.mark.parametrize(
    ("annotation", "payload", "expected"),
    [
        (bytes, b"\xff", b"\xff"),
        (str, b"hi", "hi"),
        (Any, b"[1]", [1]),
        (dict[str, int], b'{"a": 1}', {"a": 1}),
        (Annotated[int, Field(ge=0)], b"3", 3),
        (int | None, b"null", None),
    ],
)
async def test_the_payload_is_decoded_by_its_annotation(
    annotation: Any, payload: bytes, expected: Any
) -> None:
    async def handler(value: Any) -> Any:
        return value

    handler.__annotations__["value"] = annotation
    assert await call(handler, "t", "t", payload) == expected


async def test_a_parameter_without_annotation_is_json() -> None:
    async def handler(value):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return value

    assert await call(handler, "t", "t", b'{"a": 1}') == {"a": 1}


async def test_a_capture_is_converted_by_its_annotation() -> None:
    async def handler(floor: int, message: Message) -> Any:
        return floor, message.topic

    assert await call(handler, "f/{floor}", "f/3", b"") == (3, "f/3")
    with pytest.raises(InvalidPayload, match="floor"):
        await call(handler, "f/{floor}", "f/attic", b"")


async def test_a_message_parameter_has_the_mqtt_5_fields() -> None:
    async def handler(message: Message) -> Message:
        return message

    meta = Meta("x/y", {"h": "1"}, "r", b"c", 3.0)
    message = await call(handler, "t", "t", b"", meta)
    assert (message.content_type, message.headers["h"], message.reply_to) == ("x/y", "1", "r")


async def test_sync_functions_partials_and_callable_objects_are_handlers() -> None:
    def sync(text: str) -> str:
        return text.upper()

    async def two(prefix: str, text: str) -> str:
        return prefix + text

    class Callable:
        async def __call__(self, text: str) -> str:
            return text[::-1]

    assert await call(sync, "t", "t", b"ab") == "AB"
    assert await call(functools.partial(two, ">"), "t", "t", b"ab") == ">ab"
    assert await call(Callable(), "t", "t", b"ab") == "ba"


async def test_parameters_with_defaults_may_be_left() -> None:
    async def handler(text: str, factor: int = 2) -> str:
        return text * factor

    assert await call(handler, "t", "t", b"ab") == "abab"


async def two_left(first: str, second: str) -> None: ...
async def star(*messages: str) -> None: ...
async def words(**words: str) -> None: ...
async def only(*, message: str) -> None: ...
async def strange(payload: Bus | Store) -> None: ...


@pytest.mark.parametrize(
    ("handler", "hint"),
    [
        (two_left, "'first' and 'second' are both possible payloads"),
        (star, "*args"),
        (words, "**kwargs"),
        (only, "keyword-only"),
        (strange, "nor a type that pydantic can validate"),
    ],
)
def test_a_wrong_signature_says_what_to_write(handler: Any, hint: str) -> None:
    with pytest.raises(InvalidHandler) as caught:
        bind(handler, topics.parse("t/{device}"), BUS, {Store: STORE})
    assert hint in str(caught.value)
    assert handler.__name__ in str(caught.value)


def test_an_unknown_annotation_is_named() -> None:
    async def handler(value: Missing) -> None:  # type: ignore[name-defined]  # noqa: F821
        ...

    with pytest.raises(InvalidHandler, match="Missing"):
        bind(handler, topics.parse("t"), BUS, {})
