"""How long a peer may take, on real sockets, with each of the parsers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fastapi import FastAPI, Request, WebSocket
from starlette.responses import StreamingResponse

from dskity.modules.access.security import Guard
from dskity.modules.http import HttpServer, TimeOuts, create_app
from tests.http.conftest import serving
from tests.http.strangers.test_tls import certificate
from tests.waiting import until

LONG = 1000.0
HOST = b"Host: 127.0.0.1\r\n"


@pytest.fixture(params=["httptools", "h11"], autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test here runs over both."""
    if request.param == "h11":
        monkeypatch.setitem(sys.modules, "dskity.modules.http.wire.over_httptools", None)
    return str(request.param)


def app() -> FastAPI:
    made = create_app("t", Guard(loopback_open=True))

    @made.get("/")
    async def root() -> str:
        return "here"

    @made.post("/size")
    async def size(request: Request) -> int:
        return len(await request.body())

    return made


class Peer:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> bytes:
        """All that comes until the end of the connection."""
        async with asyncio.timeout(10):
            return await self.reader.read()


@asynccontextmanager
async def peer(server: HttpServer) -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield Peer(reader, writer)
    finally:
        writer.transport.abort()


async def test_a_silent_connection_is_closed() -> None:
    """Without a word: nothing was asked."""
    async with serving(app(), time_outs=TimeOuts(0.1, LONG, LONG)) as server, peer(server) as one:
        assert await one.answer() == b""


@pytest.mark.parametrize("before", [b"", b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"])
async def test_a_head_that_does_not_end_is_408(before: bytes) -> None:
    """The first of a connection, and a later one."""
    async with serving(app(), time_outs=TimeOuts(0.1, LONG, LONG)) as server, peer(server) as one:
        one.send(before + b"GET / HTTP/1.1\r\nX-Slow: ")
        answer = await one.answer()
        assert b"HTTP/1.1 408 Request Timeout\r\n" in answer
        assert b"http.head_timeout_seconds" in answer
        assert b"x-content-type-options: nosniff\r\n" in answer
        assert answer.count(b"HTTP/1.1 200") == bool(before)


async def test_a_body_that_does_not_end_is_408() -> None:
    """However it trickles; what waits for it is told that the caller has left, without a
    traceback."""
    async with serving(app(), time_outs=TimeOuts(LONG, 0.1, LONG)) as server, peer(server) as one:
        one.send(b"POST /size HTTP/1.1\r\n" + HOST + b"Content-Length: 10\r\n\r\nx")
        answer = await one.answer()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"http.body_timeout_seconds" in answer


async def test_an_idle_connection_is_closed() -> None:
    """After its answer, and also where what was asked ended after its answer."""
    async with serving(app(), time_outs=TimeOuts(LONG, LONG, 0.1)) as server:
        async with peer(server) as one:
            one.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
            assert (await one.answer()).endswith(b'"here"')
        async with peer(server) as late:
            late.send(b"POST /nowhere HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\n\r\n")
            await late.reader.readuntil(b"\r\n\r\n")
            late.send(b"x")
            assert b"404" in await late.answer()


async def test_tls_that_is_not_spoken_is_closed(tmp_path: Path) -> None:
    """The handshake is part of the head's time."""
    tls = certificate(tmp_path)
    async with (
        serving(app(), time_outs=TimeOuts(0.1, LONG, LONG), tls=tls) as server,
        peer(server) as one,
    ):
        assert await one.answer() == b""


async def test_streams_and_websockets_are_not_cut() -> None:
    """Nothing is awaited from their peers."""
    made = app()
    go_on = asyncio.Event()

    @made.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"first"
            await go_on.wait()
            yield b"last"

        return StreamingResponse(parts())

    @made.websocket("/ws")
    async def chat(socket: WebSocket) -> None:
        await socket.accept()
        await go_on.wait()
        await socket.send_text("last")

    async with (
        serving(made, time_outs=TimeOuts(0.05, 0.05, 0.05)) as server,
        peer(server) as streaming,
        peer(server) as chatting,
        peer(server) as witness,
    ):
        streaming.send(b"GET /stream HTTP/1.1\r\n" + HOST + b"\r\n")
        await streaming.reader.readuntil(b"first")
        chatting.send(
            b"GET /ws HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        await chatting.reader.readuntil(b"\r\n\r\n")
        await witness.answer()  # its time was over, so theirs would be too
        go_on.set()
        await streaming.reader.readuntil(b"last")
        await chatting.reader.readuntil(b"last")


async def test_a_reader_that_never_reads_is_cut() -> None:
    """Its answers wait in memory no longer than a body may take."""
    made = app()
    sent = []

    @made.get("/endless")
    async def endless() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            while True:
                sent.append(1)
                yield bytes(65_536)
                await asyncio.sleep(0)  # or a response whose reader has left never ends

        return StreamingResponse(parts())

    async with serving(made, time_outs=TimeOuts(LONG, 0.1, LONG)) as server, peer(server) as one:
        one.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's has it
        one.send(b"GET /endless HTTP/1.1\r\n" + HOST + b"\r\n")
        connections = server._socket.connections  # type: ignore[union-attr]
        await until(lambda: sent, "the answer")
        await until(lambda: not connections._places, "the end of the connection")


async def test_a_place_is_free_when_its_connection_has_ended() -> None:
    """Of any kind."""
    async with serving(app()) as server:
        connections = server._socket.connections  # type: ignore[union-attr]
        async with peer(server) as one, peer(server) as two:
            one.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
            await one.reader.readuntil(b'"here"')
            two.send(b"garbage\r\n\r\n")
            assert (await two.answer()).startswith(b"HTTP/1.1 400 ")
            await until(lambda: len(connections._places) == 1, "the end of one")
        await until(lambda: not connections._places, "the end of both")
        assert not server._socket.places  # type: ignore[union-attr]
