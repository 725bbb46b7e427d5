"""JSON from outside, read within bounds."""

from __future__ import annotations

from typing import Any

import pytest

from dskity.bus.jsontext import NotJson, parse_json


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
