"""The server: uvicorn in our loop, on a socket that we bind, without its signal handlers."""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
import time
from dataclasses import replace
from typing import Any

import uvicorn
from fastapi import FastAPI

from dskity.bus.base.clock import SYSTEM_CLOCK
from dskity.bus.base.tasks import keep_running
from dskity.bus.errors import EngineError
from dskity.modules.access.server_tls import ServerTls
from dskity.modules.http.wire.connections import Bounds, Connections, TimeOuts
from dskity.modules.http.wire.listener import (
    AT_ONCE,
    BACKLOG,
    Listener,
    descriptors_for,
    listen,
    refusal,
)
from dskity.modules.http.wire.protocol import http_protocol

_SWEEP_EVERY = 0.25  # seconds; a time-out is late by this at most
_NO_BOUNDS, _NO_TIME_OUTS = Bounds(), TimeOuts()


class HttpServer:
    """Serves an app of `create_app`; port 0 takes a free one, which `port` then tells."""

    def __init__(
        self,
        app: FastAPI,
        host: str,
        port: int,
        *,
        bounds: Bounds = _NO_BOUNDS,
        time_outs: TimeOuts = _NO_TIME_OUTS,
        head_bytes: int = 64 * 1024,
        tls: ServerTls | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self._app = app
        self._bounds = bounds
        self._time_outs = time_outs
        self._head_bytes = head_bytes
        self._tls = tls
        self._socket: Listener | None = None
        self._server: uvicorn.Server | None = None
        self._ticks: tuple[asyncio.Task[None], ...] = ()

    async def start(self) -> None:
        """Listen and serve; `EngineError` where the address cannot be had."""
        reserves = 2 * self._bounds.reserve
        most = descriptors_for(self._bounds.connections + reserves)
        bounds = replace(self._bounds, connections=max(most - reserves, 1))
        listener = await _listen(self.host, self.port, Connections(bounds, self._time_outs))
        try:
            server = await self._serve(listener, most)
        except BaseException:
            listener.close()
            raise
        listener.listen(BACKLOG)  # uvicorn has asked for as few as it is to accept at once
        self.port = listener.getsockname()[1]
        self._socket, self._server = listener, server
        self._ticks = (
            keep_running(server.main_loop, name="http server: ticks"),
            keep_running(self._sweep, name="http server: time-outs"),
        )

    async def _serve(self, listener: Listener, most: int) -> uvicorn.Server:
        server = uvicorn.Server(self._config(listener, most))
        self._load(server.config)
        server.lifespan = server.config.lifespan_class(server.config)
        try:
            await server.startup(sockets=[listener])
        except SystemExit as error:  # uvicorn's way to say that the app's lifespan failed
            raise EngineError("the HTTP app's lifespan failed to start: see the log") from error
        return server

    async def _sweep(self) -> None:
        assert self._socket is not None  # noqa: S101  # it is open for as long as this runs
        while True:
            await SYSTEM_CLOCK.sleep(_SWEEP_EVERY)
            self._socket.connections.sweep(time.monotonic())

    async def stop(self, grace: float = 5.0) -> None:
        """Take no new calls, end the streams, and give the calls under way `grace` seconds."""
        if self._server is None or self._socket is None:
            return
        server, self._server = self._server, None
        for task in self._ticks:
            task.cancel()
        await asyncio.gather(*self._ticks, return_exceptions=True)
        self._app.state.streams.end()
        server.config.timeout_graceful_shutdown = math.ceil(grace)
        await server.shutdown(sockets=[self._socket])
        if server.server_state.tasks:  # cancelled, the grace being over
            await asyncio.wait(tuple(server.server_state.tasks), timeout=1.0)

    def _load(self, config: uvicorn.Config) -> None:
        try:
            config.load()
        except OSError as error:  # ssl.SSLError is one
            raise EngineError(
                f"`http.tls` cannot be used: {error.strerror}; what it names must be readable PEM "
                f"files: {self._tls}"
            ) from error

    def _config(self, listener: Listener, most: int) -> uvicorn.Config:
        config = uvicorn.Config(
            self._app,
            host=self.host,
            port=self.port,
            http=http_protocol(listener, self._head_bytes),
            ws=_web_socket,  # type: ignore[arg-type]  # called as the class would be
            h11_max_incomplete_event_size=self._head_bytes,
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # the guard judges the peer itself
            server_header=False,
            backlog=AT_ONCE,
            limit_concurrency=most + 1,  # where the loop accepts by itself, the only bound
        )
        if self._tls is not None:
            config.ssl_certfile, config.ssl_keyfile = self._tls.cert_file, self._tls.key_file
            config.ssl_ca_certs = self._tls.client_ca_file and str(self._tls.client_ca_file)
            config.ssl_cert_reqs = ssl.CERT_REQUIRED if self._tls.client_ca_file else ssl.CERT_NONE
        return config


async def _listen(host: str, port: int, connections: Connections) -> Listener:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise EngineError(refusal(error, host, port)) from error
    return listen(found[0], connections, host, port)


def _web_socket(**options: Any) -> asyncio.Protocol:
    """uvicorn's protocol, imported at the first WebSocket: it takes half a MiB."""
    from uvicorn.protocols.websockets import auto  # noqa: PLC0415  # see above

    assert auto.AutoWebSocketsProtocol is not None  # noqa: S101  # `websockets` is a dependency
    return auto.AutoWebSocketsProtocol(**options)
