"""One dead letter: its name, what its headers say, and how it is sent again."""

from __future__ import annotations

import pytest

from dskity.bus.message import Message
from dskity.modules.dead_letters.letter import DeadLetter
from tests.dead_letters.post import letter


def test_its_id_is_a_function_of_the_failure() -> None:
    """A redelivery has the same; another time, topic, handler or payload has not."""
    assert letter("a").id == letter("a").id
    others = [letter("a", at=1e9 + 1), letter("b"), letter("a", handler="m.G"), letter("a", b"y")]
    assert len({letter("a").id, *(other.id for other in others)}) == 5


def test_ids_grow_with_the_time_of_the_failure() -> None:
    ids = [letter("a", at=seconds).id for seconds in (0, 1, 1e9, 1.7e9, 4e9)]
    assert ids == sorted(ids)


def test_its_headers_are_read() -> None:
    entry = letter("plant/a", b"four").entry()
    assert (entry.topic, entry.size, entry.attempts, entry.replays) == ("plant/a", 4, 3, 0)
    assert (entry.handler, entry.error) == ("m.H.f", "ValueError: no")
    assert entry.time == "2001-09-09T01:46:40Z"


@pytest.mark.parametrize("time", ["", "yesterday", "2024-01-01T00:00:00", "0001-01-01T00:00:00Z"])
def test_what_another_program_published_is_kept_as_it_is(time: str) -> None:
    """The time of its arrival counts where its own cannot be read; garbage is no count."""
    headers = {"dskity-time": time, "dskity-attempts": "many", "dskity-replays": "-1"}
    kept = DeadLetter.of(Message("dskity/dead-letter/a", b"x", headers=headers), "a", None, 1e9)
    assert kept.id.split("-")[0] == letter("a", at=1e9).id.split("-")[0]
    assert (kept.entry().attempts, kept.entry().replays, kept.headers) == (0, 0, headers)


def test_it_is_sent_again_as_it_was_with_one_more_replay_counted() -> None:
    message = Message(
        "dskity/dead-letter/a",
        b"x",
        content_type="text/csv",
        headers={"site": "north", "dskity-replays": "2", "dskity-error": "E: no"},
        correlation=b"c",
    )
    assert DeadLetter.of(message, "a", None, 0).again() == Message(
        "a",
        b"x",
        content_type="text/csv",
        headers={"site": "north", "dskity-replays": "3"},
        correlation=b"c",
    )
