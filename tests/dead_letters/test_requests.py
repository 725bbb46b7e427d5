"""What is asked over the bus: lists, one letter, and dropping."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from dskity.bus.errors import RemoteError
from dskity.bus.message import Message
from tests.dead_letters.post import dead_letters, letter_of
from tests.house_bus import memory_house


async def test_a_list_has_all_but_the_payload_and_leads_to_the_next_page() -> None:
    """Oldest first."""
    async with memory_house() as house, dead_letters(house.bus) as post:
        for number in range(3):
            await house.bus.send(letter_of(f"plant/{number}", b"12345", at=number))
        await post.letters(3)
        page = await post.ask("list", limit=2)
        assert page["total"] == 3
        assert [entry["topic"] for entry in page["dead_letters"]] == ["plant/0", "plant/1"]
        assert page["dead_letters"][0] == {
            "id": page["dead_letters"][0]["id"],
            "topic": "plant/0",
            "time": "1970-01-01T00:00:00Z",
            "handler": "m.H.f",
            "attempts": 3,
            "error": "ValueError: no",
            "size": 5,
            "content_type": None,
            "replays": 0,
            "connection": None,
        }
        page = await post.ask("list", limit=2, after=page["next"])
        assert [entry["topic"] for entry in page["dead_letters"]] == ["plant/2"]
        assert page["next"] is None
        assert (await post.ask("list", topic="plant/{n}", handler="m", limit=1))["total"] == 3
        assert (await post.ask("list", handler="other"))["dead_letters"] == []


@pytest.mark.parametrize("payload", ["grün".encode(), b"\xff\x00"])
async def test_one_letter_is_shown_with_its_headers_and_payload(payload: bytes) -> None:
    """As text, or in base64 where it is none."""
    async with memory_house() as house, dead_letters(house.bus) as post:
        sent = letter_of("a", payload)
        await house.bus.send(sent)
        [entry] = await post.letters(1)
        shown = await post.ask("show", id=entry["id"])
        assert shown.items() >= entry.items()
        assert shown["headers"] == sent.headers
        if "payload" in shown:
            assert shown["payload"].encode() == payload
        else:
            assert base64.b64decode(shown["payload_base64"]) == payload


async def test_letters_are_dropped_by_id_or_filter() -> None:
    async with memory_house() as house, dead_letters(house.bus) as post:
        for topic in ("a/1", "a/2", "b", "c"):
            await house.bus.send(letter_of(topic))
        ids = {entry["topic"]: entry["id"] for entry in await post.letters(4)}
        assert await post.ask("drop", ids=[ids["b"], ids["b"]]) == {"dropped": 1}
        assert await post.ask("drop", filter={"topic": "a/+"}) == {"dropped": 2}
        assert [entry["topic"] for entry in await post.letters(1)] == ["c"]
        assert await post.ask("drop", filter={}) == {"dropped": 1}
        assert await post.ask("drop", filter={}) == {"dropped": 0}


@pytest.mark.parametrize(
    ("verb", "body", "says"),
    [
        ("list", {"limit": 0}, "limit"),
        ("list", {"topic": "a/#/b"}, "'#' must be the last level"),
        ("list", {"colour": "red"}, "colour"),
        ("show", {}, "id: Field required"),
        ("replay", {}, 'either "ids" or "filter"'),
        ("replay", {"ids": ["a"], "filter": {}}, 'either "ids" or "filter"'),
        ("drop", {"ids": []}, "at least 1 item"),
        ("drop", {"filter": {"topic": ""}}, "filter.topic"),
    ],
)
async def test_a_wrong_request_is_answered_with_what_is_wrong(
    verb: str, body: dict[str, Any], says: str
) -> None:
    async with memory_house() as house, dead_letters(house.bus) as post:
        with pytest.raises(RemoteError, match=says) as error:
            await post.ask(verb, **body)
        assert error.value.status == 422


async def test_an_unknown_letter_is_not_found() -> None:
    async with memory_house() as house, dead_letters(house.bus) as post:
        with pytest.raises(RemoteError, match="no dead letter 'x'") as error:
            await post.ask("show", id="x")
        assert error.value.status == 404


async def test_a_request_that_wants_no_answer_and_is_wrong_is_no_dead_letter() -> None:
    async with memory_house() as house, dead_letters(house.bus) as post:
        await house.bus.send(Message("dskity/dead-letters/drop", b"garbage"))
        await house.bus.send(letter_of("a"))
        assert [entry["topic"] for entry in await post.letters(1)] == ["a"]
