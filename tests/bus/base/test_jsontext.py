"""JSON from outside, read within bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from dskity.bus.base.jsontext import NotJson, parse_json, write_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a": [1, 2.5, null, true, "\xc3\xa4"]}', {"a": [1, 2.5, None, True, "ä"]}),
        (b"1e308", 1e308),
        (b"[" * 150 + b"]" * 150, None),
        (b"9" * 400, int("9" * 400)),
        ('"ü"', "ü"),
    ],
)
def test_json_is_read(text: bytes | str, value: Any) -> None:
    assert value is None or parse_json(text) == value


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b"[" * 1024,
        b'{"a":' * 1024,
        b"[" * 1_000_000,
        b'"\\ud800"',
        b'"\xed\xa0\x80"',
        b"NaN",
        b"[Infinity]",
        b'{"a": [1e999]}',
        b"-1E+0400",
        b"9" * 5000,
        b"1 2",
        '"\ud800"',
    ],
    ids=lambda text: ascii(text[:16]),
)
def test_all_that_is_no_json_is_one_error(text: bytes | str) -> None:
    with pytest.raises(NotJson):
        parse_json(text)


def test_more_bytes_than_the_caller_takes_are_refused_unread() -> None:
    assert parse_json(b"[1,2]", most=5) == [1, 2]
    with pytest.raises(NotJson, match="6 bytes: at most 5"):
        parse_json(b"[1,22]", most=5)


class Reading(BaseModel):
    celsius: float
    before: float | None = None
    parts: list[Any] = Field(default_factory=list)


class Explicit(BaseModel):
    model_config = ConfigDict(ser_json_inf_nan="strings")

    celsius: float


@dataclass
class Point:
    x: float


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        {"a": [math.inf]},
        (1.0, -math.inf),
        Reading(celsius=math.nan),
        Reading(celsius=1.0, parts=[{"deep": Point(math.nan)}]),
        [Reading(celsius=math.inf)],
        Point(math.nan),
        "\ud800",
        {"\udfff": 1},
        Reading(celsius=1.0, parts=["\ud800"]),
        object(),
    ],
    ids=lambda value: ascii(value).partition(" at ")[0],
)
def test_what_json_has_no_form_for_is_not_written(value: Any) -> None:
    """In a model too, where `null` would be a value that nobody has measured."""
    with pytest.raises(NotJson):
        write_json(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("NaN and Infinity", b'"NaN and Infinity"'),
        ({"a": None, "b": 1.5}, b'{"a":null,"b":1.5}'),
        (Reading(celsius=1), b'{"celsius":1.0,"before":null,"parts":[]}'),
        (Explicit(celsius=math.nan), b'{"celsius":"NaN"}'),
        (Point(1), b'{"x":1}'),
        ([[]] * 300, b"[" + b",".join([b"[]"] * 300) + b"]"),
    ],
)
def test_all_else_is_written(value: Any, text: bytes) -> None:
    assert write_json(value) == text


@given(st.integers(1, 300))
def test_what_is_written_can_be_read_again(levels: int) -> None:
    """At any depth: what is too deep to be read is too deep to be written."""
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    try:
        written = write_json(value)
    except NotJson:
        assert levels > 150
    else:
        assert parse_json(written) == value
