"""What cannot be right is refused at once, with what is wrong and what to do."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from dskity.bootstrap import start
from dskity.bus.errors import InvalidInput, InvalidTopic, StateUnusable
from dskity.bus.message import Message
from dskity.config import DSkitySettings
from dskity.handlers import RetryPolicy
from dskity.handlers.dead_letter import ERROR, TOPIC
from tests.faults.process import settings
from tests.house_bus import memory_house
from tests.waiting import until

FILES = ("outbox.db", "inbox.db", "seen.db")


def _corrupt(file: Path) -> None:
    file.write_bytes(b"SQLite format 3\0" + b"\xff" * 8192)


def _newer(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("spoil", "fix"),
    [(_corrupt, "move it to another place"), (_newer, "written by a newer DSkity")],
)
async def test_a_start_refuses_a_file_that_it_cannot_read(
    tmp_path: Path, name: str, spoil: Any, fix: str
) -> None:
    """It names the file, says what to do, and leaves the file as it is."""
    values = settings(tmp_path, 1, mqtt={"connect_timeout": 1})
    file = Path(values["state_dir"]) / name
    file.parent.mkdir()
    spoil(file)
    before = file.read_bytes()
    with pytest.raises(StateUnusable, match=fix) as refused:
        await start(DSkitySettings.isolated(**values))
    assert str(file) in str(refused.value)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "filter", ["dskity/reply", "dskity/reply/#", "dskity/reply/+/x", "dskity/reply/{id...}"]
)
async def test_a_handler_cannot_listen_to_replies(filter: str) -> None:
    """They are for requests."""

    async def handle(message: Message) -> None:
        raise NotImplementedError(message)

    async with memory_house() as house:
        with pytest.raises(InvalidTopic, match=r"reserved for replies.*bus\.request"):
            await house.bus.subscribe(filter, handle)
        for allowed in ("dskity/replies/#", "reply/#", "dskity/+/x"):
            await (await house.bus.subscribe(allowed, handle)).cancel()


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"expires_in": 0}, "seconds above 0"),
        ({"expires_in": -1.5}, "seconds above 0"),
        ({"expires_in": float("nan")}, "seconds above 0"),
        ({"expires_in": float("inf")}, "at most 4294967295"),
        ({"headers": {"a": "x" * 65_536}}, "header 'a' has 65536 bytes"),
        ({"headers": {"a": "\0"}}, "header 'a' has the NUL character"),
        ({"headers": {"\ud800": "x"}}, "name of a header has the lone surrogate"),
        ({"headers": {"a": 5}}, "header 'a' is of type int"),
        ({"content_type": "\0"}, "content_type has the NUL character"),
    ],
)
async def test_a_message_that_no_wire_can_carry_never_gets_into_the_outbox(
    fields: dict[str, Any], fault: str
) -> None:
    """There it would stand in the way of all that come behind it."""
    async with memory_house() as house:
        house.broker.stop()
        with pytest.raises(InvalidInput, match=fault):
            await house.bus.publish("t", b"", **fields)


async def test_an_error_with_bytes_in_it_makes_a_dead_letter_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A header is text without NUL; a broker closes the connection of whoever sends another."""
    caplog.set_level(logging.CRITICAL)  # a captured line with such bytes ends pytest's own workers
    letters: list[Message] = []

    async def handle(message: Message) -> None:
        raise RuntimeError(f"cannot read {message.text()!s} \udcff")

    async def bury(message: Message) -> None:
        letters.append(message)

    long = "t/" + "x" * 65_530
    async with memory_house() as house:
        await house.bus.subscribe("dskity/dead-letter/#", bury)
        await house.bus.subscribe("t/#", handle, retry=RetryPolicy(attempts=1))
        await house.bus.publish(long, b"a\0b")
        await until(lambda: letters, "the dead letter")
    letter = letters[0]
    assert letter.headers[ERROR] == "RuntimeError: cannot read a\\x00b \\udcff"
    assert letter.headers[TOPIC] == long
    assert len(letter.topic) == 65_535
