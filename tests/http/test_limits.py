from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import Body, FastAPI

from dskity.modules.http import Limits
from tests.http.conftest import Door, open_door

LIMITS = Limits(body_bytes=1000)


async def chunks(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * 100


async def test_a_body_over_the_limit_is_413() -> None:
    """Whether its length was declared or not; one of exactly the limit passes."""
    async with open_door(limits=LIMITS) as door:
        for body in (b"x" * 1001, chunks(11)):
            response = await door.client.post("/topics/a", content=body)
            assert response.status_code == 413
            assert response.headers["content-type"] == "application/problem+json"
            assert "http.max_body_bytes" in response.json()["detail"]
            assert response.json()["request_id"] == response.headers["x-request-id"]
        for fitting in (b"x" * 1000, chunks(10)):
            response = await door.client.post("/topics/a", content=fitting)
            assert response.status_code == 202


async def test_a_users_route_is_bounded_too() -> None:
    """Whatever the framework makes of a body that is cut off."""

    def prepare(app: FastAPI) -> None:
        @app.post("/mine")
        async def mine(body: dict[str, str] = Body()) -> int:  # noqa: B008, FAST002  # as users write it
            return len(body)

    async with open_door(limits=LIMITS, prepare=prepare) as door:
        headers = {"content-type": "application/json"}
        response = await door.client.post("/mine", content=chunks(11), headers=headers)
        assert response.status_code == 413


async def _answer(door: Door, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", door.server.port)
    try:
        writer.write(request)
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()
        await writer.wait_closed()


async def test_a_head_over_the_limit_ends_the_connection(door: Door) -> None:
    """Even one header that never ends; a long body is none of it."""
    endless = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 70_000
    assert (await _answer(door, endless)).startswith(b"HTTP/1.1 400 ")
    long_body = b"x" * 500_000
    assert (await door.client.post("/topics/a", content=long_body)).status_code == 202


async def test_garbage_is_answered_with_400(door: Door) -> None:
    """And other connections go on."""
    assert (await _answer(door, b"\x00\xff garbage\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
    assert (await door.client.get("/")).status_code == 200
