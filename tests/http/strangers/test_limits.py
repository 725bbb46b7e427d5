from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import Body, FastAPI, Request

from dskity.modules.http import HttpLimits
from tests.http.conftest import Door, open_door

LIMITS = HttpLimits(body_bytes=1000)


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


async def test_all_bodies_together_are_bounded() -> None:
    """503 with Retry-After while others hold the bytes; when they end, they can be had again."""
    held, go_on = asyncio.Event(), asyncio.Event()

    def prepare(app: FastAPI) -> None:
        @app.post("/hold")
        async def hold(request: Request) -> int:
            body = await request.body()
            held.set()
            await go_on.wait()
            return len(body)

    limits = HttpLimits(body_bytes=1000, bodies_bytes=1500)
    async with open_door(limits=limits, prepare=prepare) as door:
        first = asyncio.create_task(door.client.post("/hold", content=b"x" * 1000), name="first")
        await held.wait()
        refused = await door.client.post("/topics/a", content=b"x" * 501)
        assert refused.status_code == 503
        assert "http.max_bodies_bytes" in refused.json()["detail"]
        assert refused.headers["retry-after"] == "1"
        assert (await door.client.post("/topics/a", content=b"x" * 500)).status_code == 202
        go_on.set()
        assert (await first).json() == 1000
        assert (await door.client.post("/topics/a", content=b"x" * 1000)).status_code == 202


async def test_a_head_of_one_read_is_bounded_too() -> None:
    """Not only one that comes in pieces."""
    async with open_door() as door:
        head = b"GET / HTTP/1.1\r\nHost: t\r\nX: " + b"x" * 66_000 + b"\r\n\r\n"
        assert (await _answer(door, head)).startswith(b"HTTP/1.1 400 ")


async def test_trailers_are_no_headers(door: Door) -> None:
    """What comes after the body can change nothing of what the guard has judged."""

    @door.app.post("/mine")
    async def mine(request: Request) -> list[str]:
        await request.body()
        return list(request.headers)

    answer = await _answer(
        door,
        b"POST /mine HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
        b"Connection: close\r\n\r\n1\r\nx\r\n0\r\nX-Late: 1\r\n\r\n",
    )
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"x-late" not in answer
