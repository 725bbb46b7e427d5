from __future__ import annotations

import httpx
from fastapi import FastAPI, Request
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response

from dskity.bus.errors import NotFound
from dskity.modules.access.security import Guard
from dskity.modules.http import HttpLimits, create_app, furnish
from tests.http.conftest import serving


async def test_an_app_of_the_users_own_is_guarded_like_ours() -> None:
    """Its middleware stays outside, so that preflight calls, which bear no token, are answered."""
    app = FastAPI()
    app.add_middleware(CORSMiddleware, allow_origins=["https://panel.example"])

    @app.get("/mine")
    async def mine() -> str:
        return "here"

    furnish(app, Guard(), HttpLimits(body_bytes=10))
    async with (
        serving(app) as server,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client,
    ):
        assert (await client.get("/mine")).status_code == 401
        preflight = {
            "origin": "https://panel.example",
            "access-control-request-method": "GET",
        }
        assert (await client.options("/mine", headers=preflight)).status_code == 200


async def test_error_handlers_of_the_users_own_stay() -> None:
    """Others are ours."""
    app = FastAPI()

    @app.exception_handler(KeyError)
    async def lost_key(request: Request, error: Exception) -> Response:
        return PlainTextResponse("no key", 404)

    @app.exception_handler(Exception)
    async def anything(request: Request, error: Exception) -> Response:
        return PlainTextResponse("oops", 500)

    @app.get("/{what}")
    async def fail(what: str) -> None:
        raise {"key": KeyError("k"), "ours": NotFound("x")}.get(what, RuntimeError("y"))

    furnish(app, Guard(loopback_open=True))
    async with (
        serving(app) as server,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client,
    ):
        assert (await client.get("/key")).text == "no key"
        assert (await client.get("/other")).text == "oops"
        assert (await client.get("/ours")).json()["detail"] == "x"


async def test_the_apps_description_is_served_to_callers() -> None:
    """`/openapi.json`, with the service's name and version."""
    app = create_app("Greenhouse", Guard(loopback_open=True), version="1.2.3")
    async with (
        serving(app) as server,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client,
    ):
        info = (await client.get("/openapi.json")).json()["info"]
        assert info == {"title": "Greenhouse", "version": "1.2.3"}
