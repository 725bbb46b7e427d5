from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.bus.delivery import Delivery
from dskity.bus.errors import InvalidSettings, NotConnected, StoreUnavailable
from dskity.bus.message import Message
from dskity.bus.store import dedup_store as seen
from dskity.bus.store.dedup_store import DedupStore
from dskity.modules.access.security import Guard
from dskity.modules.http import create_app
from dskity.modules.webhooks import WebhookOptions, WebhooksModule
from tests.house_bus import House, memory_house
from tests.http.conftest import clients_of, serving
from tests.waiting import until
from tests.webhooks.signing import NOW, SECRET, github, slack

GITHUB = WebhookOptions("github", "hooks/github/{event}", secret=(SECRET,))
SOURCES = {
    "github": GITHUB,
    "small": WebhookOptions("none", "hooks/small", max_body_bytes=10),
    "slack": WebhookOptions("slack", "hooks/slack/{type}", secret=(SECRET,)),
    "any": WebhookOptions("none", "{type}/{source}", id_header="X-Id"),
    "again": WebhookOptions("none", "again", id_header="X-Id", dedupe_window_seconds=0),
}
BODY = b'{"ref": "refs/heads/main"}'


@dataclass
class Hooks:
    """The open door, and what arrived on the bus."""

    client: httpx.AsyncClient
    house: House
    clock: VirtualClock
    messages: list[Message]

    async def post(self, source: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        return await self.client.post(f"/webhooks/{source}", content=body, headers=headers)


@asynccontextmanager
async def open_hooks(state_dir: Path | None = None) -> AsyncIterator[Hooks]:
    """Nobody has a token here: webhooks need none."""
    clock = VirtualClock(NOW)
    async with memory_house() as house:
        app = create_app("t", Guard())
        module = WebhooksModule(SOURCES, state_dir, clock)
        clients = clients_of(house, app)
        module.register(clients, {})
        await module.on_startup(clients)
        messages: list[Message] = []

        def accept(delivery: Delivery, captures: Mapping[str, str]) -> None:
            messages.append(delivery.message())
            delivery.done()

        await house.bus.attach("#", accept)
        try:
            async with (
                serving(app) as server,
                httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client,
            ):
                yield Hooks(client, house, clock, messages)
        finally:
            await module.on_shutdown(clients)


@pytest.fixture
async def hooks() -> AsyncIterator[Hooks]:
    """Deliveries recorded in memory."""
    async with open_hooks() as hooks:
        yield hooks


async def test_a_signed_delivery_arrives_as_it_was_sent(hooks: Hooks) -> None:
    """202 with the receipt; raw body, content type, CloudEvents headers, and no secret."""
    response = await hooks.post("github", BODY, github(BODY) | {"x-request-id": "r-1"})
    assert response.status_code == 202
    assert response.json() == {"id": "d-1", "topic": "hooks/github/push", "accepted": "broker"}
    await until(lambda: hooks.messages, "the message")
    message = hooks.messages[0]
    assert (message.topic, message.payload, message.qos) == ("hooks/github/push", BODY, 1)
    assert message.content_type == "application/json"
    assert message.headers == {
        "ce-specversion": "1.0",
        "ce-id": "d-1",
        "ce-type": "push",
        "ce-source": "/webhooks/github",
        "request-id": "r-1",
    }


async def test_a_bad_signature_is_401_and_says_nothing_else(hooks: Hooks) -> None:
    """Nothing gets through; the same answer for every reason."""
    answers = [
        await hooks.post("github", BODY, github(BODY, "other")),
        await hooks.post("github", BODY + b" ", github(BODY)),
        await hooks.post("github", BODY, {}),
    ]
    bodies = []
    for answer in answers:
        assert answer.status_code == 401
        assert "www-authenticate" not in answer.headers
        bodies.append({**answer.json(), "request_id": ""})
    assert bodies[0] == bodies[1] == bodies[2]
    assert hooks.messages == []


async def test_an_unknown_source_is_404(hooks: Hooks) -> None:
    """And reading is not possible without a token."""
    assert (await hooks.post("nobody", BODY, {})).status_code == 404
    assert (await hooks.client.get("/webhooks/github")).status_code == 401


async def test_a_body_over_the_sources_limit_is_413(hooks: Hooks) -> None:
    """Before anything is verified; one of exactly the limit passes."""
    response = await hooks.post("small", b"x" * 11, {})
    assert response.status_code == 413
    assert "webhooks.small.max_body_bytes" in response.json()["detail"]
    assert (await hooks.post("small", b"x" * 10, {})).status_code == 202


async def test_a_delivery_that_comes_again_is_published_once(hooks: Hooks) -> None:
    """Its id counts, in its source, for 24 hours."""
    await hooks.post("github", BODY, github(BODY))
    again = await hooks.post("github", BODY, github(BODY))
    assert again.status_code == 200
    assert again.json() == {"id": "d-1", "duplicate": True}
    await hooks.post("any", BODY, {"x-id": "d-1"})
    await hooks.clock.advance(86_401)
    assert (await hooks.post("github", BODY, github(BODY))).status_code == 202
    await until(lambda: len(hooks.messages) >= 3, "three messages")
    assert [message.topic for message in hooks.messages] == [
        "hooks/github/push",
        "webhook/any",
        "hooks/github/push",
    ]


async def test_it_is_recognised_after_a_restart(tmp_path: Path) -> None:
    """The record is in the state folder."""
    async with open_hooks(tmp_path) as hooks:
        assert (await hooks.post("github", BODY, github(BODY))).status_code == 202
    async with open_hooks(tmp_path) as hooks:
        assert (await hooks.post("github", BODY, github(BODY))).status_code == 200
        assert hooks.messages == []


async def test_a_sender_that_tries_again_too_soon_is_published_once(hooks: Hooks) -> None:
    """Tries of one delivery wait for each other."""
    tries = [hooks.post("github", BODY, github(BODY)) for _ in range(5)]
    statuses = sorted(response.status_code for response in await asyncio.gather(*tries))
    assert statuses == [200, 200, 200, 200, 202]
    assert len(hooks.messages) == 1


async def test_without_an_id_or_a_window_every_delivery_counts(hooks: Hooks) -> None:
    """Losing one that only looks the same would be worse than having it twice."""
    for headers, source in (({}, "small"), ({"x-id": "1"}, "again")):
        for _ in range(2):
            assert (await hooks.post(source, b"same", headers)).status_code == 202
    await until(lambda: len(hooks.messages) == 4, "four messages")


async def test_without_a_broker_it_is_503_and_not_remembered(hooks: Hooks) -> None:
    """The sender's next try gets through."""
    hooks.house.broker.stop()
    response = await hooks.post("github", BODY, github(BODY))
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    hooks.house.broker.start()
    await until(lambda: hooks.house.bus.connected, "the connection")
    assert (await hooks.post("github", BODY, github(BODY))).status_code == 202
    await until(lambda: hooks.messages, "the message")


async def test_a_connection_lost_while_publishing_is_not_remembered(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what is safe counts as seen."""

    async def lost(message: Message) -> bool | None:
        raise NotConnected("lost before the acknowledgement")

    with monkeypatch.context() as patch:
        patch.setattr(hooks.house.transport, "publish", lost)
        assert (await hooks.post("github", BODY, github(BODY))).status_code == 503
    assert (await hooks.post("github", BODY, github(BODY))).status_code == 202


async def test_a_record_that_fails_never_doubts_what_is_published(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Once it is on the bus it is accepted, with a warning; unknown is 503 before that."""

    def full(rows: object, prune_before: object, connection: object) -> None:
        raise sqlite3.OperationalError("disk full")

    async def away(self: DedupStore, source: str, delivery: str, window: float) -> bool:
        raise StoreUnavailable("disk away")

    monkeypatch.setattr(seen, "LINGER", 0.0)
    monkeypatch.setattr(seen, "_add", full)
    assert (await hooks.post("github", BODY, github(BODY))).status_code == 202
    await until(lambda: "will not be recognised" in caplog.text, "it is in the log")
    assert "disk full" in caplog.text
    monkeypatch.setattr(DedupStore, "has", away)
    assert (await hooks.post("github", BODY, github(BODY, id="d-2"))).status_code == 503
    assert len(hooks.messages) == 1


async def test_a_handshake_is_answered_and_not_published(hooks: Hooks) -> None:
    """Slack's, which wants its challenge back."""
    body = b'{"type": "url_verification", "challenge": "c-1"}'
    response = await hooks.post("slack", body, slack(body))
    assert (response.status_code, response.json()) == (200, {"challenge": "c-1"})
    assert hooks.messages == []


async def test_a_type_cannot_choose_the_topic_tree(hooks: Hooks) -> None:
    """Even from a sender that nobody checks."""
    await hooks.post("any", b'{"type": "$SYS/+/#"}', {"x-id": "1"})
    await until(lambda: hooks.messages, "the message")
    assert hooks.messages[0].topic == "%24SYS%2F%2B%2F%23/any"
    assert hooks.messages[0].headers["ce-type"] == "$SYS/+/#"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (WebhookOptions("gitbub", "t"), "webhooks.x.preset: 'gitbub' is unknown; there are github"),
        (WebhookOptions("github", "t"), "webhooks.x.secret: "),
        (WebhookOptions("none", "a/+"), "webhooks.x.topic: "),
        (
            WebhookOptions("none", "a/{event}"),
            "webhooks.x.topic: 'a/{event}': {event} is never filled",
        ),
    ],
)
def test_bad_settings_name_their_key(options: WebhookOptions, says: str) -> None:
    """When the module is made."""
    with pytest.raises(InvalidSettings) as refused:
        WebhooksModule({"x": options})
    assert str(refused.value).startswith(says)


@pytest.mark.parametrize("text", ["a\\n", "\\u001b]0;x", "\\u009b2J", "\\ufffe"])
async def test_a_type_with_text_that_may_not_travel_is_refused(hooks: Hooks, text: str) -> None:
    """The sender is told; nothing of it reaches the bus."""
    response = await hooks.post("any", b'{"type": "%s"}' % text.encode(), {"X-Id": "1"})
    assert response.status_code == 400
    assert " U+" in response.json()["detail"]
    assert hooks.messages == []


@pytest.mark.parametrize("id", [b"a\x9bb", b"\x85a"])
async def test_an_id_with_text_that_may_not_travel_is_refused(hooks: Hooks, id: bytes) -> None:
    """It would be a header of the message."""
    response = await hooks.client.post("/webhooks/any", content=b"{}", headers=[(b"X-Id", id)])
    assert response.status_code == 400
    assert " U+" in response.json()["detail"]
    assert hooks.messages == []


@pytest.mark.parametrize("body", [b"[" * 1024, b'{"type": "\\ud800"}', b'{"type": NaN}', b"\xff"])
async def test_a_body_that_is_no_json_has_no_type(hooks: Hooks, body: bytes) -> None:
    response = await hooks.post("any", body, {"X-Id": "1"})
    assert response.status_code == 202
    await until(lambda: hooks.messages, "it")
    assert hooks.messages[0].topic == "webhook/any"
