"""What a browser is told about everything that comes from the door."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import HTMLResponse

from dskity.bus.message import Message
from tests.http.conftest import Door, open_door

STRICT = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def protected(response: httpx.Response) -> str:
    """The content security policy; the headers that each response has are checked."""
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "same-origin"
    policies = response.headers.get_list("content-security-policy")
    assert len(policies) == 1
    assert "frame-ancestors 'none'" in policies[0]
    return policies[0]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/openapi.json", 200),
        ("/nowhere", 404),
        ("/topics/a", 405),
        ("/stream", 422),
        ("/kv/none", 404),
        ("/broken", 500),
        ("/_core/services", 200),
    ],
)
async def test_what_is_no_page_of_a_module_may_do_nothing(path: str, status: int) -> None:
    """JSON, problems of every origin, the 500 too, and our page that is only text."""

    def prepare(app: FastAPI) -> None:
        @app.get("/broken")
        async def broken() -> None:
            raise RuntimeError("x")

    async with open_door(prepare=prepare) as door:
        response = await door.client.get(path)
        assert response.status_code == status
        assert protected(response) == STRICT


async def test_what_is_refused_before_the_app_is_told_too(door: Door) -> None:
    """By the guard, and by the parser."""
    refused = await door.client.get("/", headers={"authorization": "Bearer wrong"})
    assert (refused.status_code, protected(refused)) == (401, STRICT)
    reader, writer = await asyncio.open_connection("127.0.0.1", door.server.port)
    writer.write(b"garbage\r\n\r\n")
    answer = (await reader.read()).lower()
    assert answer.startswith(b"http/1.1 400 ")
    assert b"content-type: application/problem+json\r\n" in answer
    assert b"x-content-type-options: nosniff\r\n" in answer
    assert f"content-security-policy: {STRICT}\r\n".encode() in answer
    writer.close()


async def test_a_page_of_a_module_runs_its_scripts_in_no_frame(door: Door) -> None:
    """And what it says itself stands."""

    @door.app.get("/page")
    async def page() -> HTMLResponse:
        return HTMLResponse("<p>")

    @door.app.get("/own")
    async def own() -> HTMLResponse:
        policy = {"content-security-policy": "frame-ancestors 'none'; script-src 'self'"}
        return HTMLResponse("<p>", headers=policy)

    policy = protected(await door.client.get("/page"))
    assert policy == "object-src 'none'; base-uri 'self'; frame-ancestors 'none'"
    assert protected(await door.client.get("/own")).endswith("script-src 'self'")


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_the_pages_about_the_api_may_load_what_they_name(door: Door, path: str) -> None:
    """Their scripts and styles, and from this door what they show."""
    response = await door.client.get(path)
    policy = protected(response)
    assert "script-src 'unsafe-inline' https://cdn.jsdelivr.net;" in policy
    assert "connect-src 'self'" in policy
    assert "https://cdn.jsdelivr.net/npm/" in response.text


async def test_a_reply_from_the_bus_runs_no_script(door: Door) -> None:
    """Whatever type it claims: it would run with the rights of a page of ours."""

    async def page(message: Message) -> None:
        await door.house.bus.reply(message, b"<script>", content_type="text/html")

    await door.house.bus.subscribe("page", page)
    response = await door.client.post("/requests/page")
    assert response.headers["content-type"] == "text/html"
    assert protected(response) == f"sandbox; {STRICT}"
