from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from dskity.bus.errors import EngineError
from dskity.modules.access.security import Guard
from dskity.modules.http import HttpServer, create_app
from dskity.modules.http.wire.listener import descriptors_for
from tests.http.conftest import serving

GUARD = Guard(loopback_open=True)


def app_with_root() -> FastAPI:
    app = create_app("t", GUARD)

    @app.get("/")
    async def root() -> str:
        return "here"

    return app


async def test_a_port_in_use_is_an_error_that_names_port_and_setting() -> None:
    """And what to do."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        server = HttpServer(app_with_root(), "127.0.0.1", port)
        with pytest.raises(EngineError, match=rf"port {port} is in use .* set `port`"):
            await server.start()
        await server.stop()


async def test_a_host_that_is_not_ours_is_an_error_that_names_it() -> None:
    """192.0.2.1 is for documentation; nobody has it."""
    with pytest.raises(EngineError, match=r"192\.0\.2\.1 port 0"):
        await HttpServer(app_with_root(), "192.0.2.1", 0).start()


async def test_port_0_tells_the_real_port_and_a_stopped_server_frees_it() -> None:
    """So that the next one can have it at once."""
    async with serving(app_with_root()) as server:
        assert server.port != 0
        port = server.port
    again = HttpServer(app_with_root(), "127.0.0.1", port)
    await again.start()
    await again.stop()


async def test_keep_alive_is_fast() -> None:
    """Without TCP_NODELAY each call would wait 40 ms for a delayed acknowledgement."""
    async with serving(app_with_root()) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        began = time.monotonic()
        for _ in range(50):
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.readuntil(b'"here"')
        took = time.monotonic() - began
        writer.close()
        await writer.wait_closed()
    assert took < 1.0


async def test_calls_under_way_are_finished_when_it_stops() -> None:
    """Within the grace; signal handlers stay what they were."""
    app = app_with_root()
    entered, leave = asyncio.Event(), asyncio.Event()

    @app.get("/slow")
    async def slow() -> str:
        entered.set()
        await leave.wait()
        return "done"

    handler = signal.getsignal(signal.SIGTERM)
    server = HttpServer(app, "127.0.0.1", 0)
    await server.start()
    assert signal.getsignal(signal.SIGTERM) is handler
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        call = asyncio.create_task(client.get("/slow"), name="call")
        await entered.wait()
        stopping = asyncio.create_task(server.stop(grace=10), name="stop")
        await asyncio.sleep(0)
        leave.set()
        assert (await call).text == '"done"'
        await stopping
        with pytest.raises(httpx.ConnectError):
            await client.get("/")


async def test_a_call_that_outlives_the_grace_is_cut_off() -> None:
    """Stopping takes no longer than was said."""
    app = app_with_root()
    entered = asyncio.Event()
    ended = asyncio.Event()

    @app.get("/endless")
    async def endless() -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    server = HttpServer(app, "127.0.0.1", 0)
    await server.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        call = asyncio.create_task(client.get("/endless"), name="call")
        await entered.wait()
        await server.stop(grace=0)
        assert ended.is_set()
        await asyncio.gather(call, return_exceptions=True)


async def test_a_users_lifespan_runs_and_its_failure_is_an_error() -> None:
    """`bootstrap(FastAPI(lifespan=…))` is a user's right."""
    seen = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        seen.append("up")
        yield
        seen.append("down")

    app = app_with_root()
    app.router.lifespan_context = lifespan
    async with serving(app):
        assert seen == ["up"]
    assert seen == ["up", "down"]

    @asynccontextmanager
    async def failing(app: FastAPI) -> AsyncIterator[None]:
        raise RuntimeError("no database")
        yield

    app = app_with_root()
    app.router.lifespan_context = failing
    with pytest.raises(EngineError, match="lifespan failed"):
        await HttpServer(app, "127.0.0.1", 0).start()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_connections_for_which_there_are_no_descriptors_are_not_promised(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The soft limit is raised as far as the hard one allows; then fewer connections are taken, and
    a warning says which limit to raise."""
    import resource  # noqa: PLC0415  # there is none on Windows

    limits = [(1024, 4096)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, wanted: limits.append(wanted))
    assert descriptors_for(700) == 700
    assert limits == [(1024, 4096)]
    assert descriptors_for(2000) == 2000
    assert limits[-1] == (2256, 4096)
    assert not caplog.records
    assert descriptors_for(10_000) == 4096 - 256
    assert "enough for 3840 HTTP connections instead of 10000" in caplog.text
