"""One model of a message: it never changes, and every way through the runtime keeps every field."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dskity.bus import envelope
from dskity.bus.delivery import Delivery, Meta
from dskity.bus.message import Message
from dskity.bus.store import rows
from dskity.testing.captures import load, save
from tests.house_bus import memory_house
from tests.waiting import until

NOW = 1_700_000_000.0
# What a text may hold: no control characters, surrogates or non-characters (bus/base/text.py).
TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"], max_codepoint=0xFFFD), max_size=20
)
SECONDS = st.integers(1, 1_000_000).map(float)
MESSAGES = st.builds(
    Message,
    topic=st.sampled_from(["a", "plant/1/temp", "ä/é"]),
    payload=st.binary(max_size=50),
    qos=st.integers(0, 2),
    retain=st.booleans(),
    content_type=st.none() | TEXTS,
    headers=st.dictionaries(TEXTS, TEXTS, max_size=3),
    reply_to=st.none() | st.sampled_from(["r", "r/1"]),
    correlation=st.none() | st.binary(max_size=20),
    expires_in=st.none() | SECONDS,
    duplicate=st.booleans(),
    enveloped=st.booleans(),
)
FIELDS = {field.name for field in dataclasses.fields(Message)}
META = {field.name for field in dataclasses.fields(Meta)}


def through_a_delivery(message: Message) -> Message:
    return Delivery.of(message).message()


def through_a_row(message: Message) -> Message:
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(rows.SCHEMA)
        rows.insert(database, message, NOW, "lane")
        (row,) = database.execute(f"SELECT {rows.COLUMNS} FROM spool")
    return rows.stored(row).at(NOW)


@pytest.mark.parametrize("way", [through_a_delivery, through_a_row])
@given(message=MESSAGES)
def test_every_field_comes_through(way: Callable[[Message], Message], message: Message) -> None:
    assert way(message) == message


@given(messages=st.lists(MESSAGES, max_size=3))
def test_every_field_comes_through_a_file_of_captures(
    tmp_path_factory: pytest.TempPathFactory, messages: list[Message]
) -> None:
    path = tmp_path_factory.mktemp("captures") / "messages.jsonl"
    save(path, messages)
    assert load(path) == messages


@given(message=MESSAGES)
def test_an_envelope_keeps_all_that_mqtt_3_cannot_say(message: Message) -> None:
    opened = envelope.unwrap(envelope.wrap(message, "/here", NOW), NOW)
    assert opened is not None
    payload, meta = opened
    assert payload == message.payload
    kept = {name: getattr(meta, name) for name in FIELDS & META}
    assert kept == {name: getattr(message, name) for name in kept} | {"enveloped": True}


def test_the_fields_of_a_delivery_are_those_of_a_message() -> None:
    """Whoever adds a field to `Message` learns here that a delivery needs it too."""
    parts = set(Delivery.__slots__) - {"acknowledge", "holders", "meta", "on_done"}
    assert parts | META - {"subscriptions", "asker"} == FIELDS


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_no_field_of_a_message_can_be_set(name: str) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(Message("t"), name, None)


def test_the_headers_of_a_message_do_not_change_with_those_it_was_made_of() -> None:
    given: dict[str, str] = {"a": "1"}
    message = Message("t", headers=given)
    given["a"] = "2"
    assert message.headers == {"a": "1"}
    with pytest.raises(TypeError):
        message.headers["a"] = "3"  # type: ignore[index]  # that it is read-only is the point


async def test_a_handler_cannot_change_the_headers_that_another_one_gets() -> None:
    async with memory_house() as house:
        got: list[Message] = []

        async def spoil(message: Message) -> None:
            with pytest.raises(TypeError):
                message.headers["a"] = "spoilt"  # type: ignore[index]  # as above
            got.append(message)

        await house.bus.subscribe("t", spoil)
        await house.bus.subscribe("+", spoil)
        await house.bus.publish("t", b"", headers={"a": "1"})
        await until(lambda: len(got) == 2, "both handlers")
        assert [message.headers for message in got] == [{"a": "1"}] * 2


async def test_a_reply_to_a_message_that_came_in_an_envelope_travels_in_one() -> None:
    async with memory_house() as house, house.bus.stream("answers") as answers:

        async def answer(message: Message) -> None:
            await house.bus.reply(message, b"yes")

        await house.bus.subscribe("ask", answer)
        request = Message("ask", b"?", reply_to="answers")
        await house.bus.publish("ask", envelope.wrap(request, "/device", NOW))
        reply = await anext(answers)
        assert (reply.payload, reply.enveloped) == (b"yes", True)
