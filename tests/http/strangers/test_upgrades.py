"""Requests that ask for another protocol, on real sockets, with each of the parsers.

A body that a parser leaves unread is what request smuggling lives on: a proxy in front takes it for
a body, the server behind it for a next request.
"""

from __future__ import annotations

import asyncio
import sys

import pytest
from fastapi import FastAPI, Request, WebSocket

from dskity.modules.http import TimeOuts
from tests.http.conftest import serving
from tests.http.strangers.test_time_outs import HOST, LONG, app, peer
from tests.waiting import until

SMUGGLED = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"
LENGTH = b"Content-Length: %d\r\n\r\n%b" % (len(SMUGGLED), SMUGGLED)
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
LAST = b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
OTHER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
WEBSOCKET = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
ENDS = TimeOuts(LONG, LONG, 0.1)


@pytest.fixture(params=["httptools", "h11"], autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test here runs over both."""
    if request.param == "h11":
        monkeypatch.setitem(sys.modules, "dskity.modules.http.wire.over_httptools", None)
    return str(request.param)


def with_smuggled() -> FastAPI:
    """The application of the time-outs' tests, and what must never be asked for."""
    made = app()

    @made.get("/smuggled")
    async def smuggled() -> str:
        return "smuggled"

    return made


async def answers(*parts: bytes, made: FastAPI | None = None) -> bytes:
    """All that comes for what is sent, a part a read."""
    async with serving(made or with_smuggled(), time_outs=ENDS) as server, peer(server) as one:
        for part in parts:
            one.send(part)
            await asyncio.sleep(0)
        return await one.answer()


def statuses(answer: bytes) -> list[int]:
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize("body", [LENGTH, CHUNKED], ids=["length", "chunked"])
@pytest.mark.parametrize("upgrade", [OTHER, WEBSOCKET], ids=["h2c", "websocket"])
@pytest.mark.parametrize("by_byte", [False, True], ids=["whole", "by byte"])
async def test_a_body_behind_an_upgrade_is_a_body(
    body: bytes, upgrade: bytes, by_byte: bool
) -> None:
    """And the request behind it is the next one. POST asks for no WebSocket: RFC 6455 4.1."""
    sent = b"POST /size HTTP/1.1\r\n" + HOST + upgrade + body + LAST
    parts = [sent[at : at + 1] for at in range(len(sent))] if by_byte else [sent]
    answer = await answers(*parts)
    assert statuses(answer) == [200, 200], answer
    assert b"\r\n\r\n%dHTTP/1.1" % len(SMUGGLED) in answer
    assert answer.endswith(b'"here"')


@pytest.mark.parametrize("body", [LENGTH, CHUNKED], ids=["length", "chunked"])
async def test_a_websocket_handshake_with_a_body_is_a_common_request(body: bytes) -> None:
    """Its body is none of the WebSocket's bytes, and no next request."""
    answer = await answers(b"GET / HTTP/1.1\r\n" + HOST + WEBSOCKET + body + LAST)
    assert statuses(answer) == [200, 200]
    assert b"smuggled" not in answer


async def test_other_upgrades_are_ignored() -> None:
    """RFC 9110 7.8; `curl --http2` asks so. The other headers reach the application."""
    made = app()

    @made.get("/headers")
    async def headers(request: Request) -> dict[str, str]:
        return {**request.headers, **request.query_params}

    sent = b"GET /headers?a=%20b HTTP/1.1\r\n" + HOST + b"X-One: 1\r\n" + OTHER + b"\r\n"
    answer = await answers(sent, LAST, made=made)
    assert statuses(answer) == [200, 200]
    assert b'"x-one":"1"' in answer
    assert b'"a":" b"' in answer


async def test_an_upgrade_on_a_last_request_is_ignored_too() -> None:
    """`close` and HTTP/1.0, whose callers the guard takes for proxies without a token."""
    closing = OTHER.replace(b"Connection:", b"Connection: close,")
    length = b"Content-Length: 2\r\n\r\nab"
    answer = await answers(b"POST /size HTTP/1.1\r\n" + HOST + closing + length + LAST)
    assert statuses(answer) == [200]
    assert answer.endswith(b"\r\n\r\n2")
    answer = await answers(b"POST /size HTTP/1.0\r\n" + HOST + OTHER + length + LAST)
    assert statuses(answer) == [401]


async def test_many_upgrades_in_a_row_are_as_many_requests() -> None:
    one = b"POST /size HTTP/1.1\r\n" + HOST + OTHER + b"Content-Length: 2\r\n\r\nab"
    assert statuses(await answers(one * 50 + LAST)) == [200] * 51


async def test_websockets_are_still_opened() -> None:
    made = app()

    @made.websocket("/ws")
    async def chat(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("hello")
        await socket.close()

    async with serving(made) as server, peer(server) as one:
        one.send(b"GET /ws HTTP/1.1\r\n" + HOST + WEBSOCKET + b"\r\n")
        answer = await one.reader.readuntil(b"hello")
        assert statuses(answer) == [101]


async def test_a_handshake_behind_a_response_that_is_under_way_does_not_take_its_connection() -> (
    None
):
    """Two writers would mix: it waits, or is refused."""
    made = app()
    go_on = asyncio.Event()

    @made.get("/slow")
    async def slow() -> str:
        await go_on.wait()
        return "slow"

    @made.websocket("/ws")
    async def chat(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("hello")
        await socket.close()

    async with serving(made, time_outs=ENDS) as server, peer(server) as one:
        one.send(b"GET /slow HTTP/1.1\r\n" + HOST + b"\r\n")
        one.send(b"GET /ws HTTP/1.1\r\n" + HOST + WEBSOCKET + b"\r\n")
        async with peer(server) as other:  # by its answer the server has read the first's
            other.send(LAST)
            await other.answer()
        go_on.set()
        answer = await one.answer()
    assert statuses(answer) in ([400], [200, 101])


@pytest.mark.parametrize("handshake", [b"POST /ws", b"PUT /ws", b"HEAD /ws"])
async def test_a_handshake_by_another_method_holds_no_place(handshake: bytes) -> None:
    """The protocol of WebSockets would never answer it."""
    async with serving(app(), time_outs=ENDS) as server:
        connections = server._socket.connections  # type: ignore[union-attr]
        async with peer(server) as one:
            one.send(handshake + b" HTTP/1.1\r\n" + HOST + WEBSOCKET + b"\r\n")
            answer = await one.answer()
            assert statuses(answer) == [404]
        await until(lambda: not connections._places, "its place is free")


@pytest.mark.parametrize("upgrade", [b"", OTHER], ids=["plain", "h2c"])
async def test_connect_is_refused_and_opens_no_tunnel(upgrade: bytes) -> None:
    answer = await answers(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n" + upgrade + b"\r\n" + SMUGGLED)
    assert 400 <= statuses(answer)[0] < 500


HOSTS = {
    "none": (b"HTTP/1.1\r\n", 400),
    "two": (b"HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400),
    "twice the same": (b"HTTP/1.1\r\nHost: a\r\nhost: a\r\n", 400),
    "two on 1.0": (b"HTTP/1.0\r\nHost: a\r\nHost: b\r\n", 400),
    "none on 1.0": (b"HTTP/1.0\r\n", 401),  # it reached the guard, who trusts no other name
}


@pytest.mark.parametrize("case", HOSTS)
async def test_a_request_names_one_host(case: str) -> None:
    """RFC 9112 3.2: a proxy that routes by the other one would be got round."""
    head, status = HOSTS[case]
    assert statuses(await answers(b"GET / " + head + b"\r\n")) == [status]
