"""Which call over HTTP needs which right: each route, by each kind of token."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from dskity.modules.access.security import Guard, Token
from dskity.modules.rights import Right
from tests.http.conftest import Door, open_door
from tests.http.test_guard import bearer

RIGHTS: dict[tuple[str, str], tuple[Right, str] | None] = {
    ("GET", "/"): None,
    ("POST", "/topics/{topic:path}"): ("publish", "a/b"),
    ("POST", "/requests/{topic:path}"): ("publish", "a/b"),
    ("GET", "/stream"): ("subscribe", "a/+"),
    ("GET", "/kv"): ("publish", "dskity/kv/keys"),
    ("GET", "/kv/{key:path}"): ("publish", "dskity/kv/get"),
    ("PUT", "/kv/{key:path}"): ("publish", "dskity/kv/put"),
    ("DELETE", "/kv/{key:path}"): ("publish", "dskity/kv/delete"),
    ("GET", "/_core/services"): ("subscribe", "dskity/registry/#"),
    ("GET", "/_core/services.json"): ("subscribe", "dskity/registry/#"),
    ("GET", "/_core/services/{service}.json"): ("subscribe", "dskity/registry/#"),
    ("POST", "/commands/{target}/{command}"): ("publish", "dskity/commands/execute"),
    ("DELETE", "/commands/{execution}"): ("publish", "dskity/commands/execute"),
    ("GET", "/commands"): ("subscribe", "dskity/commands/#"),
    ("GET", "/commands/{execution}"): ("subscribe", "dskity/commands/#"),
    ("GET", "/commands/{execution}/events"): ("subscribe", "dskity/commands/#"),
}
"""None: any token. What stands here stands in docs/explanation/security.md too."""


def _only(token: str, right: Right, topic: str) -> Token:
    if right == "publish":
        return Token.of(token, token, publish=[topic])
    return Token.of(token, token, subscribe=[topic])


def _tokens() -> Iterator[Token]:
    yield Token.of("admin", "admin", admin=True)
    yield Token.of("publishes all", "all-publish", publish=["#"])
    yield Token.of("subscribes to all", "all-subscribe", subscribe=["#"])
    yield Token.of("publishes elsewhere", "elsewhere", publish=["x/#"], subscribe=["x/#"])
    for right in RIGHTS.values():
        if right is not None:
            kind, topic = right
            yield _only(f"{kind} {topic}", kind, topic)
            yield _only(f"not {kind} {topic}", _other(kind), topic)


def _other(right: Right) -> Right:
    return "subscribe" if right == "publish" else "publish"


@pytest.fixture
async def guarded() -> AsyncIterator[Door]:
    """All routes of ours, for holders of those tokens."""
    async with open_door(Guard(_tokens())) as door:
        yield door


def called(route: tuple[str, str]) -> tuple[str, str]:
    """A call that the route takes."""
    method, path = route
    path = path.replace("{topic:path}", "a/b").replace("{key:path}", "k")
    for name in ("{service}", "{target}", "{command}", "{execution}"):
        path = path.replace(name, "x")
    return method, path + {"/stream": "?filter=a/%2B", "/requests/a/b": "?timeout=0.01"}.get(
        path, ""
    )


async def answer(door: Door, route: tuple[str, str], token: str) -> int:
    """The status for the holder of the token; of a stream only its head."""
    method, path = called(route)
    async with door.client.stream(method, path, headers=bearer(token)) as response:
        return response.status_code


async def test_the_table_names_every_route_of_ours(guarded: Door) -> None:
    """One that is added belongs there, and into the docs."""
    paths = guarded.app.openapi()["paths"]
    ours = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert ours == {(method, path.replace(":path", "")) for method, path in RIGHTS}


@pytest.mark.parametrize("route", RIGHTS, ids=" ".join)
async def test_a_token_may_call_what_its_lists_name_and_nothing_else(
    guarded: Door, route: tuple[str, str]
) -> None:
    """A list that is not given grants nothing: the other list, of all topics, does not help."""
    right = RIGHTS[route]
    if right is None:
        for token in ("admin", "all-publish", "all-subscribe", "elsewhere"):
            assert await answer(guarded, route, token) == 200
        return
    kind, topic = right
    for token in ("admin", f"all-{kind}", f"{kind} {topic}"):
        assert await answer(guarded, route, token) not in {401, 403}, token
    for token in (f"all-{_other(kind)}", "elsewhere", f"not {kind} {topic}"):
        assert await answer(guarded, route, token) == 403, token


@pytest.mark.parametrize("route", RIGHTS, ids=" ".join)
async def test_a_call_without_a_token_gets_nowhere(guarded: Door, route: tuple[str, str]) -> None:
    """Whatever it asks for."""
    method, path = called(route)
    assert (await guarded.client.request(method, path)).status_code == 401
