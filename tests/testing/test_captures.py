"""Captures: what was recorded is what is saved, loaded, and sent again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dskity.bus.bus import Bus
from dskity.bus.errors import InvalidInput
from dskity.bus.message import Message
from dskity.testing import load, record, replay, save, until

MESSAGES = st.builds(
    Message,
    topic=st.sampled_from(["t", "devices/a b/ü"]),
    payload=st.binary() | st.text().map(str.encode),
    qos=st.integers(0, 2),
    retain=st.booleans(),
    content_type=st.none() | st.just("application/json"),
    headers=st.dictionaries(st.text(), st.text(), max_size=2),
    reply_to=st.none() | st.just("reply/x"),
    correlation=st.none() | st.binary(),
    expires_in=st.none() | st.floats(0.001, 1e6),
    duplicate=st.booleans(),
)


@given(messages=st.lists(MESSAGES, max_size=5))
def test_every_field_of_a_message_survives_the_file(
    messages: list[Message], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "capture.jsonl"
    save(path, messages)
    assert load(path) == messages


def test_a_file_is_readable_and_says_no_more_than_it_must(tmp_path: Path) -> None:
    path = tmp_path / "capture.jsonl"
    save(path, [Message("t", "21 °C".encode()), Message("t", b"\xff", qos=0)])
    assert path.read_text(encoding="utf-8").splitlines() == [
        '{"topic": "t", "payload": "21 °C"}',
        '{"topic": "t", "payload_base64": "/w==", "qos": 0}',
    ]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", "3: line: Invalid JSON"),
        ("{}", "3: topic: Field required"),
        ('{"topic": "a/#"}', "3: topic: Value error, topic 'a/#' has a wildcard"),
        ('{"topic": "t", "qos": 3}', "3: qos: "),
        ('{"topic": "t", "payload_base64": "?"}', "3: payload_base64: "),
        ('{"topic": "t", "colour": 1}', "3: colour: Extra inputs"),
    ],
)
def test_a_line_that_is_no_message_is_named(tmp_path: Path, line: str, fault: str) -> None:
    path = tmp_path / "capture.jsonl"
    path.write_text(f'{{"topic": "t"}}\n\n{line}\n', encoding="utf-8")
    with pytest.raises(InvalidInput) as caught:
        load(path)
    assert f"capture.jsonl:{fault}" in str(caught.value)


async def test_a_capture_has_what_came_while_it_was_open(bus: Bus) -> None:
    await bus.publish("t/before", 0)
    async with record(bus, "t/#") as capture:
        await bus.publish("t/a", {"n": 1}, headers={"k": "v"})
        await bus.publish("u", 0)
        await bus.publish("t/b", b"\xff", qos=0)
        await until(lambda: len(capture) == 2, "both")
    await bus.publish("t/after", 0)
    assert [(m.topic, m.payload, m.qos) for m in capture] == [
        ("t/a", b'{"n":1}', 1),
        ("t/b", b"\xff", 0),
    ]
    assert capture[0].headers == {"k": "v"}


async def test_a_full_capture_keeps_the_first_and_counts_the_rest(bus: Bus) -> None:
    async with record(bus, "t", limit=2) as capture:
        for number in range(5):
            await bus.publish("t", number)
        await until(lambda: capture.dropped == 3, "the rest")
    assert [m.json() for m in capture] == [0, 1]


async def test_a_replayed_file_is_what_was_recorded(bus: Bus, tmp_path: Path) -> None:
    path = tmp_path / "capture.jsonl"
    async with record(bus, "t/#") as first:
        for number in range(50):
            await bus.publish(f"t/{number % 3}", number, headers={"n": str(number)})
        await until(lambda: len(first) == 50, "all of them")
    await asyncio.to_thread(save, path, first)
    async with record(bus, "t/#") as second:
        assert await replay(bus, path) == 50
        await until(lambda: len(second) == 50, "all of them again")
    assert second == first


async def test_messages_are_replayed_without_their_mark_of_a_duplicate(bus: Bus) -> None:
    async with record(bus, "t") as capture:
        assert await replay(bus, [Message("t", b"1", duplicate=True)]) == 1
        await until(lambda: capture, "it")
    assert not capture[0].duplicate
