"""Payloads, decoding, and the table of errors."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest
from pydantic import BaseModel

from dskity.bus import errors
from dskity.bus.message import JSON_TYPE, TEXT_TYPE, Message, encode_payload
from dskity.bus.problem import STATUS, problem_of, status_of


class Reading(BaseModel):
    celsius: float
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)


@dataclasses.dataclass
class Point:
    x: int
    y: int


@pytest.mark.parametrize(
    ("payload", "data", "kind"),
    [
        (b"\xff", b"\xff", None),
        (bytearray(b"ab"), b"ab", None),
        ("é", "é".encode(), TEXT_TYPE),
        (None, b"", None),
        (Reading(celsius=1), b'{"celsius":1.0,"at":"2026-01-01T00:00:00Z"}', JSON_TYPE),
        (Point(1, 2), b'{"x":1,"y":2}', JSON_TYPE),
        ({"a": [1, None]}, b'{"a":[1,null]}', JSON_TYPE),
        (True, b"true", JSON_TYPE),
        (1.5, b"1.5", JSON_TYPE),
    ],
)
def test_payloads_become_bytes_with_their_content_type(
    payload: object, data: bytes, kind: str | None
) -> None:
    assert encode_payload(payload) == (data, kind)
    assert encode_payload(payload, "x/y") == (data, "x/y")


@pytest.mark.parametrize("payload", [object(), Point, {"a": object()}])
def test_what_has_no_json_form_is_refused(payload: object) -> None:
    with pytest.raises(errors.InvalidPayload):
        encode_payload(payload)


def test_decoding_validates_and_says_where_it_failed() -> None:
    assert Message("t", b'{"celsius": 2}').decode(Reading).celsius == 2
    with pytest.raises(errors.InvalidPayload, match="celsius") as caught:
        Message("t", b'{"celsius": "hot"}').decode(Reading)
    assert caught.value.details[0]["loc"] == ("celsius",)
    assert "hot" not in str(caught.value.details), "the input may be a secret"


@pytest.mark.parametrize("payload", [b"{", b"\xff\xfe"])
def test_garbage_is_invalid_payload(payload: bytes) -> None:
    with pytest.raises(errors.InvalidPayload, match="not JSON"):
        Message("t", payload).json()


def test_every_error_has_a_status() -> None:
    def classes(cls: type[BaseException]) -> list[type[BaseException]]:
        return [cls, *(found for sub in cls.__subclasses__() for found in classes(sub))]

    for cls in classes(errors.DSkityError):
        assert any(base in STATUS for base in cls.__mro__), cls


def test_the_most_specific_row_counts() -> None:
    assert status_of(errors.InvalidTopic("x")).http == 400
    assert status_of(errors.InvalidPayload("x")).http == 422
    assert status_of(errors.OutboxFull("x")).http == 503
    assert status_of(errors.RemoteError("x", 404, {})).grpc == "NOT_FOUND"
    assert status_of(errors.RemoteError("x", 418, {})).http == 418


def test_the_text_of_a_foreign_error_stays_inside() -> None:
    problem = problem_of(RuntimeError("password=hunter2"), request_id="r1")
    assert problem["status"] == 500
    assert "hunter2" not in str(problem)
    assert problem["request_id"] == "r1"
