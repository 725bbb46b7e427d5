from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI, WebSocket

from dskity.modules.access.security import Guard, Token
from tests.http.conftest import Door, open_door

OPERATOR = "o" * 32
SENSOR = "s" * 32
TOKENS = (
    Token.of("operator", OPERATOR, admin=True),
    Token.of("sensor", SENSOR, publish=["sensors/#"], subscribe=["config/+"]),
)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
async def guarded() -> AsyncIterator[Door]:
    """A door with tokens configured."""

    def prepare(app: FastAPI) -> None:
        @app.get("/mine")
        async def mine() -> str:
            return "a user's route"

        @app.get("/health/live")
        async def live() -> str:
            return "ok"

        @app.post("/health/live")
        async def revive() -> str:
            return "no"

        @app.post("/webhooks/x")
        async def hook() -> str:
            return "its own signature"

        @app.get("/healthy")
        async def healthy() -> str:
            return "not below /health"

    async with open_door(Guard(TOKENS), prepare=prepare) as door:
        yield door


@pytest.mark.parametrize(
    "path", ["/", "/topics/a", "/kv", "/stream?filter=a", "/mine", "/docs", "/nowhere", "/healthy"]
)
async def test_every_route_needs_a_token(guarded: Door, path: str) -> None:
    """Ours, those of user modules, the framework's, and what does not exist."""
    response = await guarded.client.get(path)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-request-id"] == response.json()["request_id"]


async def test_a_known_token_passes_and_an_unknown_one_does_not(guarded: Door) -> None:
    """The scheme is Bearer, in any case."""
    assert (await guarded.client.get("/mine", headers=bearer(OPERATOR))).status_code == 200
    lower = {"authorization": f"bearer {OPERATOR}"}
    assert (await guarded.client.get("/mine", headers=lower)).status_code == 200
    for wrong in ("Bearer " + "x" * 32, "Bearer", f"Basic {OPERATOR}", OPERATOR):
        refused = await guarded.client.get("/mine", headers={"authorization": wrong})
        assert refused.status_code == 401, wrong


async def test_reading_health_and_posting_webhooks_are_open(guarded: Door) -> None:
    """And nothing else near them."""
    assert (await guarded.client.get("/health/live")).status_code == 200
    assert (await guarded.client.post("/health/live")).status_code == 401
    assert (await guarded.client.post("/webhooks/x")).status_code == 200
    assert (await guarded.client.get("/webhooks/x")).status_code == 401


async def test_a_token_publishes_and_subscribes_within_its_filters(guarded: Door) -> None:
    """Over HTTP as over MQTT: 403 beyond them, and the message does not get through."""
    messages = await guarded.received("#")
    headers = bearer(SENSOR)
    assert (await guarded.client.post("/topics/sensors/1", headers=headers)).status_code == 202
    refused = await guarded.client.post("/topics/vents/1", headers=headers)
    assert refused.status_code == 403
    assert refused.json()["detail"] == "sensor may not publish to 'vents/1'"
    assert (await guarded.client.post("/requests/vents/1", headers=headers)).status_code == 403
    wide = await guarded.client.get("/stream?filter=config/%23", headers=headers)
    assert wide.status_code == 403
    assert [message.topic for message in messages] == ["sensors/1"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/kv"),
        ("GET", "/kv/a"),
        ("PUT", "/kv/a"),
        ("DELETE", "/kv/a"),
        ("GET", "/_core/services"),
        ("GET", "/_core/services.json"),
        ("GET", "/_core/services/a.json"),
        ("POST", "/commands/a/b"),
        ("GET", "/commands"),
        ("GET", "/commands/a"),
        ("GET", "/commands/a/events"),
        ("DELETE", "/commands/a"),
    ],
)
async def test_what_a_token_may_not_do_over_mqtt_it_may_not_do_here(
    guarded: Door, method: str, path: str
) -> None:
    """Keys, services and commands have topics, and those are not among the sensor's."""
    response = await guarded.client.request(method, path, headers=bearer(SENSOR))
    assert response.status_code == 403
    allowed = await guarded.client.request(method, path, headers=bearer(OPERATOR))
    assert allowed.status_code != 403


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "rebound.example"},
        {"x-forwarded-for": "127.0.0.1"},
        {"x-forwarded-proto": "https"},
        {"x-real-ip": "127.0.0.1"},
        {"forwarded": "for=127.0.0.1"},
        {"via": "1.1 proxy"},
        {"x-client-ip": "192.0.2.1"},
        {"cf-connecting-ip": "192.0.2.1"},
        {"true-client-ip": "192.0.2.1"},
        {"x-original-forwarded-for": "192.0.2.1"},
        {"x-envoy-external-address": "192.0.2.1"},
        {"tailscale-user-login": "someone"},
        {"cdn-loop": "cdn"},
        {"x_forwarded_for": "192.0.2.1"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ],
)
async def test_without_tokens_only_plain_loopback_calls_pass(
    door: Door, headers: dict[str, str]
) -> None:
    """Not what a proxy, a rebound name or a foreign web page makes of them."""
    assert (await door.client.get("/")).status_code == 200
    assert (await door.client.get("/", headers=headers)).status_code == 401


async def test_a_page_of_our_own_may_call(door: Door) -> None:
    """Such as the dashboard."""
    origin = f"http://127.0.0.1:{door.server.port}"
    assert (await door.client.get("/", headers={"origin": origin})).status_code == 200


async def test_a_websocket_needs_a_token_too(guarded: Door) -> None:
    """The handshake is refused with 403, or goes on to the route."""

    @guarded.app.websocket("/ws")
    async def chat(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close()

    handshake = {
        "connection": "upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    assert (await guarded.client.get("/ws", headers=handshake)).status_code == 403
    async with guarded.client.stream(
        "GET", "/ws", headers=handshake | bearer(OPERATOR)
    ) as response:
        assert response.status_code == 101


@pytest.mark.parametrize(
    ("says", "passes"),
    [
        ({}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site", "sec-fetch-mode": "navigate"}, False),
        (
            {"sec-fetch-site": "cross-site", "sec-fetch-user": "?1", "sec-fetch-dest": "document"},
            True,
        ),
        (
            {"sec-fetch-site": "cross-site", "sec-fetch-user": "?1", "sec-fetch-dest": "iframe"},
            False,
        ),
    ],
)
async def test_what_another_page_gets_without_naming_its_origin_is_refused(
    door: Door, says: dict[str, str], passes: bool
) -> None:
    """An image or a frame of it; a link that a person followed is not the page's doing."""
    assert ((await door.client.get("/", headers=says)).status_code == 200) is passes
