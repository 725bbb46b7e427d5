"""Calls by web pages of other origins."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from dskity.modules.access.security import Guard, Token
from dskity.modules.http import Cors, create_app
from tests.http.conftest import serving

PANEL = "https://panel.example"
TOKEN = "o" * 32
BEARER = {"authorization": f"Bearer {TOKEN}"}
CORS = Cors((PANEL,), ("GET", "PUT"), ("Authorization",))


def app_with(cors: Cors | None) -> FastAPI:
    app = create_app("t", Guard([Token.of("operator", TOKEN)]), cors=cors)

    @app.put("/vents")
    async def vents() -> str:
        return "open"

    return app


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """Of a door that PANEL may call."""
    async with (
        serving(app_with(CORS)) as server,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client,
    ):
        yield client


def preflight(origin: str, method: str = "PUT", headers: str = "authorization") -> dict[str, str]:
    return {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": headers,
    }


async def test_a_preflight_needs_no_token(client: httpx.AsyncClient) -> None:
    """A browser sends none with it."""
    answer = await client.options("/vents", headers=preflight(PANEL))
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == PANEL
    assert answer.headers["access-control-allow-methods"] == "GET, PUT"
    assert "Authorization" in answer.headers["access-control-allow-headers"]
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    "asked",
    [
        preflight("https://elsewhere.example"),
        preflight(PANEL, "DELETE"),
        preflight(PANEL, headers="x-other"),
    ],
)
async def test_a_preflight_for_more_than_is_allowed_is_refused(
    asked: dict[str, str], client: httpx.AsyncClient
) -> None:
    assert (await client.options("/vents", headers=asked)).status_code == 400


async def test_an_allowed_page_may_read_the_answer_and_its_request_id(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.put("/vents", headers={"origin": PANEL} | BEARER)
    assert answer.json() == "open"
    assert answer.headers["access-control-allow-origin"] == PANEL
    assert answer.headers["access-control-expose-headers"].lower() == "x-request-id"


async def test_an_allowed_page_may_read_why_it_was_refused(client: httpx.AsyncClient) -> None:
    """The origin opens no door: a token is needed all the same."""
    answer = await client.put("/vents", headers={"origin": PANEL})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == PANEL


async def test_another_page_may_read_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.put("/vents", headers={"origin": "https://elsewhere.example"} | BEARER)
    assert "access-control-allow-origin" not in answer.headers


async def test_without_origins_a_preflight_is_a_call_like_any_other() -> None:
    async with (
        serving(app_with(None)) as server,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client,
    ):
        answer = await client.options("/vents", headers=preflight(PANEL))
    assert answer.status_code == 401
    assert "access-control-allow-origin" not in answer.headers
