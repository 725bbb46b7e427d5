"""What a command looks like on the wire, and what is understood of a reply."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from dskity.bus.errors import InvalidInput, InvalidPayload, InvalidSettings
from dskity.bus.message import Message
from dskity.modules.commands.states import Change, State
from dskity.modules.commands.wire import Reply, Templates, body, jsonable, read_reply, request
from dskity.modules.contract import Execution

EXECUTION = Execution("e1", "vent", "open", "accepted", {"percent": 40})


class Opening(BaseModel):
    percent: int


@dataclass
class Closing:
    slowly: bool


def reply(payload: Any, **fields: Any) -> Reply | None:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return read_reply(Message("devices/vent/commands/open/reply", data, **fields))


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (None, {"id": "e1"}),
        ({"percent": 40}, {"id": "e1", "percent": 40}),
        ({}, {"id": "e1"}),
        (40, {"id": "e1", "payload": 40}),
        ([1, 2], {"id": "e1", "payload": [1, 2]}),
        ("open", {"id": "e1", "payload": "open"}),
        (False, {"id": "e1", "payload": False}),
    ],
)
def test_a_request_is_an_object_that_begins_with_the_id(payload: Any, expected: Any) -> None:
    """An object keeps its fields, any other value goes under `payload`."""
    data = body("e1", payload)
    assert json.loads(data) == expected
    assert data.startswith(b'{"id":"e1"')


def test_a_payload_cannot_have_an_id_of_its_own() -> None:
    """The error says what to do."""
    with pytest.raises(InvalidPayload, match="rename the field"):
        body("e1", {"id": 7})


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (Opening(percent=40), {"percent": 40}),
        (Closing(slowly=True), {"slowly": True}),
        ((1, 2), [1, 2]),
    ],
)
def test_a_payload_becomes_json_values(payload: Any, expected: Any) -> None:
    """Models and dataclasses too."""
    assert jsonable(payload) == expected


@pytest.mark.parametrize("payload", [{"at": math.nan}, [math.inf], "\ud800"])
def test_a_payload_that_json_has_no_form_for_is_refused(payload: Any) -> None:
    with pytest.raises(InvalidPayload, match="must be JSON"):
        jsonable(payload)


@pytest.mark.parametrize("payload", [object(), b"\xff", {"deep": object()}])
def test_what_is_not_json_is_refused(payload: Any) -> None:
    """At once, before anything is sent."""
    with pytest.raises(InvalidPayload, match="must be JSON"):
        jsonable(payload)


def test_a_request_over_mqtt_5_has_response_topic_correlation_and_expiry() -> None:
    """The correlation data is the execution's id."""
    message = request(EXECUTION, "devices/vent/commands/open", 60, "dskity/commands/reply/r1")
    assert message == Message(
        "devices/vent/commands/open",
        b'{"id":"e1","percent":40}',
        qos=1,
        content_type="application/json",
        reply_to="dskity/commands/reply/r1",
        correlation=b"e1",
        expires_in=60,
    )


def test_a_request_over_3_1_1_has_nothing_that_would_need_an_envelope() -> None:
    """A device knows nothing of envelopes."""
    message = request(EXECUTION, "devices/vent/commands/open", 60, None)
    assert (message.reply_to, message.correlation, dict(message.headers)) == (None, None, {})


@pytest.mark.parametrize(
    ("payload", "change"),
    [
        (
            {"id": "e1", "state": "in_progress", "progress": 50},
            Change(State.IN_PROGRESS, None, None, 50),
        ),
        ({"id": "e1", "state": "succeeded", "result": [1]}, Change(State.SUCCEEDED, [1])),
        ({"id": "e1", "state": "failed", "error": "stuck"}, Change(State.FAILED, None, "stuck")),
        ({"id": "e1", "state": "rejected", "error": "no"}, Change(State.REJECTED, None, "no")),
        ({"id": "e1"}, Change(State.SUCCEEDED)),
        ({"id": "e1", "result": 1}, Change(State.SUCCEEDED, 1)),
        ({"id": "e1", "error": "stuck"}, Change(State.FAILED, None, "stuck")),
        ({"id": "e1", "progress": 5}, Change(State.IN_PROGRESS, None, None, 5)),
    ],
)
def test_a_plain_reply_names_the_execution(payload: Any, change: Change) -> None:
    """Where it names no state, its fields tell."""
    assert reply(payload) == Reply("e1", change)


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff\xfe garbage",
        b"",
        b"not json",
        b"[" * 100_000,
        [1],
        "e1",
        {"state": "succeeded"},
        {"id": 7},
        {"id": "e1", "state": "cancelled"},
        {"id": "e1", "state": "done"},
        {"id": "e1", "state": ["succeeded"]},
        {"id": "e1", "state": None},
    ],
)
def test_a_plain_reply_that_cannot_be_understood_is_none(payload: Any) -> None:
    """Whatever a device sends, nothing is raised."""
    assert reply(payload) is None


@pytest.mark.parametrize(
    ("payload", "headers", "change"),
    [
        ({"open": 40}, {}, Change(State.SUCCEEDED, {"open": 40})),
        ({"state": "rejected", "error": "no"}, {}, Change(State.REJECTED, None, "no")),
        ({"state": "open"}, {}, Change(State.SUCCEEDED, {"state": "open"})),
        ({"state": ["open"]}, {}, Change(State.SUCCEEDED, {"state": ["open"]})),
        (b"", {}, Change(State.SUCCEEDED)),
        (b"ok \xff", {}, Change(State.SUCCEEDED, "ok �")),
        (
            {"detail": "stuck"},
            {"dskity-status": "500"},
            Change(State.FAILED, None, {"detail": "stuck"}),
        ),
        ({"open": 40}, {"dskity-status": "200"}, Change(State.SUCCEEDED, {"open": 40})),
    ],
)
def test_a_correlated_reply_may_be_anything(
    payload: Any, headers: dict[str, str], change: Change
) -> None:
    """An object with a state of ours is read as one, any other payload is the result."""
    assert reply(payload, correlation=b"e1", headers=headers) == Reply("e1", change)


@given(st.binary(), st.none() | st.binary())
def test_no_bytes_break_the_reading_of_replies(payload: bytes, correlation: bytes | None) -> None:
    """Property: it answers, and never raises."""
    read_reply(Message("t", payload, correlation=correlation))


def test_names_are_quoted_as_levels() -> None:
    """Wildcards in a name are a name's characters."""
    topic = Templates().request("vent #1", "open+close")
    assert topic == "devices/vent %231/commands/open%2Bclose"


@pytest.mark.parametrize(
    ("target", "command"), [("", "open"), ("a/b", "open"), ("vent", "x/y"), ("v" * 256, "open")]
)
def test_a_name_is_one_level(target: str, command: str) -> None:
    """A longer one would be another device's topic."""
    with pytest.raises(InvalidInput, match="without '/'"):
        Templates().request(target, command)


@pytest.mark.parametrize(
    "template",
    ["devices/{target}", "{command}", "{target}/+/{command}", "{target}/{command...}", "a/b"],
)
def test_a_request_topic_needs_target_and_command(template: str) -> None:
    """The error names the setting."""
    with pytest.raises(InvalidSettings, match=r"commands\.request_topic"):
        Templates(template)


def test_a_reply_topic_needs_the_target() -> None:
    """Or a device could answer for another."""
    with pytest.raises(InvalidSettings, match=r"commands\.reply_topic"):
        Templates(reply="replies/{command}")
