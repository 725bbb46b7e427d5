from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from dskity.bus.errors import NotFound, RemoteError
from dskity.bus.message import Message
from dskity.handlers import RetryPolicy
from tests.http.conftest import Door


async def test_the_reply_is_the_response(door: Door) -> None:
    """Its bytes, its content type, and its headers as `Dskity-Header-…` and `ce-…`."""

    async def diagnose(message: Message) -> None:
        await door.house.bus.reply(
            message,
            b"fine: " + message.payload,
            content_type="text/x-verdict",
            headers={"Grün": "ja ☂", "ce-id": "7"},
        )

    await door.house.bus.subscribe("devices/d1/diagnose", diagnose)
    response = await door.client.post("/requests/devices/d1/diagnose?timeout=2", content=b"fan")
    assert response.status_code == 200
    assert response.content == b"fine: fan"
    assert response.headers["content-type"] == "text/x-verdict"
    assert response.headers["dskity-header-gr%c3%bcn"] == "ja %E2%98%82"
    assert response.headers["ce-id"] == "7"


async def test_the_request_id_travels_with_the_request(door: Door) -> None:
    """So that logs on both sides can be put together."""

    async def echo(message: Message) -> str:
        return message.headers["request-id"]

    await door.house.bus.subscribe("echo", echo)
    response = await door.client.post("/requests/echo", headers={"x-request-id": "abc-1"})
    assert response.text == "abc-1"
    assert response.headers["x-request-id"] == "abc-1"


async def test_nobody_subscribed_is_404(door: Door) -> None:
    """Where the broker says so."""
    response = await door.client.post("/requests/nobody")
    assert response.status_code == 404
    assert "no client is subscribed" in response.json()["detail"]


async def test_no_reply_is_504(door: Door) -> None:
    """After `timeout` seconds."""
    await door.received("silent")
    response = await door.client.post("/requests/silent?timeout=0.05")
    assert response.status_code == 504
    assert "0.05 s" in response.json()["detail"]


async def test_a_responders_error_keeps_its_status_and_its_problem(door: Door) -> None:
    """A missing thing behind the bus is a missing thing at the door."""

    async def find(message: Message) -> str:
        raise NotFound(f"no fan at {message.topic}")

    await door.house.bus.subscribe("fans/1", find, retry=RetryPolicy(attempts=1))
    response = await door.client.post("/requests/fans/1", headers={"x-request-id": "r"})
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"] == "no fan at fans/1"
    assert response.json()["request_id"] == "r"


async def test_timeouts_beyond_the_bound_are_refused(door: Door) -> None:
    """A call cannot hold its connection for hours."""
    for timeout in ("0", "-1", "nan", "301"):
        response = await door.client.post(f"/requests/a?timeout={timeout}")
        assert response.status_code == 422, timeout


async def test_without_a_broker_a_request_fails_at_once(door: Door) -> None:
    """503, not a wait for `timeout`."""
    door.house.broker.stop()
    response = await door.client.post("/requests/a?timeout=60", timeout=2)
    assert response.status_code == 503


@pytest.mark.parametrize(
    "problem",
    [
        {"detail": "\ud800"},
        {"detail": "hot", "celsius": float("nan")},
        {"detail": "hot", "celsius": float("inf")},
    ],
)
async def test_an_error_reply_that_is_no_json_is_a_502(
    door: Door, problem: Mapping[str, Any]
) -> None:
    """The responder is at fault, and the door says so; never a 500."""

    @door.app.post("/ask")
    async def ask() -> None:
        raise RemoteError("odd", 409, problem)

    response = await door.client.post("/ask", headers={"x-request-id": "r"})
    assert response.status_code == 502
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"] == "the responder's error is not JSON that can be sent on"
    assert response.json()["request_id"] == "r"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b'{"status": 409, "detail": "\\ud800"}', {"dskity-status": "409"}),
        (b'{"status": 409, "detail": NaN}', {"dskity-status": "409"}),
        (b"\xff", {"dskity-status": "409"}),
        (b"{}", {"dskity-status": "200200"}),
    ],
)
async def test_no_bytes_of_an_error_reply_make_a_500(
    door: Door, body: bytes, headers: dict[str, str]
) -> None:
    """As a device may send them."""

    async def odd(message: Message) -> None:
        await door.house.bus.reply(message, body, headers=headers)

    await door.house.bus.subscribe("odd", odd)
    response = await door.client.post("/requests/odd")
    assert response.status_code in {200, 409, 502}
    assert response.status_code == 200 or response.json()["status"] == response.status_code


async def test_headers_of_a_reply_that_are_no_text_are_a_502(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lone surrogates cannot come over MQTT 5, but in an envelope's JSON they can."""

    async def reply(*_: object, **__: object) -> Message:
        return Message("r", b"x", content_type="text/\ud800")

    monkeypatch.setattr(door.house.bus, "request", reply)
    response = await door.client.post("/requests/odd")
    assert response.status_code == 502
    assert "no text" in response.json()["detail"]
