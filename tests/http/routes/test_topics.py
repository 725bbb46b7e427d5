from __future__ import annotations

import time

import pytest

from dskity.bus.memory import CAPABILITIES
from tests.http.conftest import Door, open_door
from tests.waiting import until


async def test_a_body_is_published_as_it_stands(door: Door) -> None:
    """Bytes, content type, QoS and flags; 202 with the receipt."""
    messages = await door.received("devices/+/telemetry")
    response = await door.client.post(
        "/topics/devices/d1/telemetry?qos=1&expires_in=60",
        content=b"\x00\xff{",
        headers={"content-type": "application/x-thing"},
    )
    assert response.status_code == 202
    receipt = response.json()
    assert {**receipt, "id": "?"} == {
        "id": "?",
        "topic": "devices/d1/telemetry",
        "qos": 1,
        "accepted": "broker",
    }
    await until(lambda: messages, "the message")
    message = messages[0]
    assert (message.topic, message.payload) == ("devices/d1/telemetry", b"\x00\xff{")
    assert message.content_type == "application/x-thing"
    assert message.expires_in is not None
    assert 59 < message.expires_in <= 60


async def test_a_body_without_a_content_type_gets_none(door: Door) -> None:
    """Nobody guesses what the sender did not say."""
    messages = await door.received("a")
    await door.client.post("/topics/a", content=b"1")
    await until(lambda: messages, "the message")
    assert messages[0].content_type is None


async def test_cloudevents_and_own_headers_become_message_headers(door: Door) -> None:
    """Lower case, `Dskity-Header-` dropped, `ce-` kept, percent-decoded; others stay behind."""
    messages = await door.received("a")
    await door.client.post(
        "/topics/a",
        headers={
            "Ce-Id": "17",
            "Dskity-Header-Colour": "gr%C3%BCn",
            "X-Other": "no",
            "X-Request-Id": "abc",
        },
    )
    await until(lambda: messages, "the message")
    assert messages[0].headers == {"ce-id": "17", "colour": "grün", "request-id": "abc"}


async def test_a_retained_message_is_kept_by_the_broker(door: Door) -> None:
    """`?retain=true`."""
    await door.client.post("/topics/state?retain=true", content=b"on")
    messages = await door.received("state")
    await until(lambda: messages, "the retained message")
    assert messages[0].retain


async def test_qos_0_is_only_sent(door: Door) -> None:
    """Nobody acknowledges it."""
    response = await door.client.post("/topics/a?qos=0")
    assert response.json()["accepted"] == "sent"


async def test_the_request_id_makes_no_envelope_on_3_1_1() -> None:
    """Where headers do not travel, a plain publish keeps its bytes."""
    async with open_door(capabilities=CAPABILITIES.but(headers=False)) as door:
        messages = await door.received("a")
        await door.client.post("/topics/a", content=b"plain", headers={"x-request-id": "abc"})
        await until(lambda: messages, "the message")
        assert messages[0].payload == b"plain"


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/topics/a/%2B/b", 400, "wildcard"),
        ("/topics/%24SYS/x", 400, "'$'"),
        ("/topics/", 400, "empty"),
        ("/topics/a%00b", 400, "NUL"),
        ("/topics/a?qos=3", 400, "qos 3"),
        ("/topics/a?qos=x", 422, "qos"),
        ("/topics/a?expires_in=0", 400, "above 0"),
        ("/topics/a?expires_in=nan", 400, "above 0"),
    ],
)
async def test_bad_input_is_refused_with_the_reason(
    door: Door, path: str, status: int, says: str
) -> None:
    """As a problem, and the door goes on."""
    response = await door.client.post(path, content=b"x")
    assert response.status_code == status
    assert says in response.json()["detail"]


async def test_without_a_broker_a_publish_fails_at_once(door: Door) -> None:
    """503 with Retry-After, within 100 ms, and again 202 when the broker is back."""
    door.house.broker.stop()
    await door.client.get("/")  # the connection stands
    began = time.monotonic()
    response = await door.client.post("/topics/a", content=b"x")
    took = time.monotonic() - began
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert took < 0.1
    door.house.broker.start()
    await until(lambda: door.house.bus.connected, "the connection")
    assert (await door.client.post("/topics/a", content=b"x")).status_code == 202
