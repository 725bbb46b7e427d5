"""The gate: text that may not travel is refused in every field, before the disk and the wire."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dskity.bus import topics
from dskity.bus.base.text import fault_in
from dskity.bus.errors import InvalidInput, InvalidPayload, InvalidTopic
from dskity.bus.message import Message
from dskity.bus.problem import problem_of
from dskity.bus.store.outbox import Outbox
from dskity.handlers.dead_letter import dead_letter
from tests.house_bus import memory_house

UNFIT = ["\x01", "a\nb", "a\x7f", "a\x9b2J", "\ud800", "\ufffe", "\U0001ffff", "a\0"]


@pytest.mark.parametrize("text", UNFIT, ids=ascii)
@pytest.mark.parametrize(
    "field", ["topic", "reply_to", "content_type", "name of a header", "header"]
)
async def test_a_message_with_it_reaches_neither_broker_nor_disk(
    tmp_path: Path, field: str, text: str
) -> None:
    fields: dict[str, Any] = {"topic": "t"}
    match field:
        case "name of a header":
            fields["headers"] = {text: "x"}
        case "header":
            fields["headers"] = {"x": text}
        case _:
            fields[field] = text
    message = Message(**fields)
    outbox = Outbox(tmp_path / "outbox.db")
    async with memory_house() as house:
        with pytest.raises(InvalidInput, match=r"U\+"):
            await house.bus.send(message)
        with pytest.raises(InvalidInput, match=r"U\+"):
            await outbox.put(message)


@pytest.mark.parametrize("text", UNFIT, ids=ascii)
async def test_publish_subscribe_and_groups_say_what_is_wrong(text: str) -> None:
    async with memory_house() as house:
        for headers in ({"a": text}, {text: "a"}):
            with pytest.raises(InvalidInput, match=r"U\+"):
                await house.bus.publish("t", headers=headers)
        with pytest.raises(InvalidInput, match=r"U\+"):
            await house.bus.publish("t", content_type=text)
        for call in (house.bus.publish, house.bus.request, topics.parse, topics.check_topic):
            with pytest.raises(InvalidTopic, match=r"U\+"):
                await call(text)  # type: ignore[misc]  # two of them raise at once
        with pytest.raises(InvalidTopic, match=r"U\+"):
            topics.share(text, "a")


@pytest.mark.parametrize("text", UNFIT, ids=ascii)
def test_a_dead_letter_has_it_escaped_everywhere(text: str) -> None:
    message = Message(
        f"a/{text}", b"\n", content_type=text, headers={text: text, "x": text * 20_000}
    )
    letter = dead_letter(message, "dskity", ValueError(text), f"h{text}", 1, 0.0)
    for part in (letter.topic, letter.content_type, *letter.headers, *letter.headers.values()):
        assert part is not None
        assert fault_in(part) is None
        assert len(part.encode()) <= 65_535
    assert letter.payload == b"\n"


def test_a_problem_has_it_escaped() -> None:
    error = InvalidPayload("a\n\ud800", ({"loc": ("\x9b",), "msg": "b\x1b"},))
    problem = problem_of(error)
    assert problem["detail"] == r"a\x0a\ud800"
    assert problem["errors"] == [{"loc": [r"\x9b"], "msg": r"b\x1b"}]


@pytest.mark.parametrize("text", [*UNFIT, "a+#%/b", "%41", "%C2%9B"], ids=ascii)
def test_a_quoted_name_can_travel_and_comes_back(text: str) -> None:
    for quoted in (topics.quote(text), topics.quote_level(text)):
        assert fault_in(quoted) is None
        assert topics.unquote(quoted) == text


def test_what_a_stranger_has_encoded_stays_as_it_is() -> None:
    """Else the entry at the one topic would be cleared at the other."""
    assert topics.unquote("my%20service/%41/%FF") == "my%20service/%41/%FF"
