"""The server: uvicorn in our loop, on a socket that we bind, without its signal handlers."""

from __future__ import annotations

import asyncio
import errno
import math
import os
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from dskity.bus.errors import EngineError
from dskity.bus.tasks import keep_running
from dskity.modules.http.head_limit import http_protocol

BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class ServerTls:
    """PEM files: the certificate chain, its key, and the authorities whose clients may come."""

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None = None

    def __str__(self) -> str:
        files = (self.cert_file, self.key_file, self.client_ca_file)
        return ", ".join(str(file) for file in files if file is not None)


class HttpServer:
    """Serves an app of `create_app`; port 0 takes a free one, which `port` then tells."""

    def __init__(
        self,
        app: FastAPI,
        host: str,
        port: int,
        *,
        connections: int = 1000,
        head_bytes: int = 64 * 1024,
        tls: ServerTls | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self._app = app
        self._connections = connections
        self._head_bytes = head_bytes
        self._tls = tls
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._ticks: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen and serve; `EngineError` where the address cannot be had."""
        server = uvicorn.Server(self._config())
        self._load(server.config)
        listener = await _listen(self.host, self.port)
        self.port = listener.getsockname()[1]
        server.lifespan = server.config.lifespan_class(server.config)
        try:
            await server.startup(sockets=[listener])
        except SystemExit as error:  # uvicorn's way to say that the app's lifespan failed
            listener.close()
            raise EngineError("the HTTP app's lifespan failed to start: the log has it") from error
        except BaseException:
            listener.close()
            raise
        self._socket, self._server = listener, server
        self._ticks = keep_running(server.main_loop, name="http server: ticks")

    async def stop(self, grace: float = 5.0) -> None:
        """Take no new calls, end the streams, and give the calls under way `grace` seconds."""
        if self._server is None or self._ticks is None or self._socket is None:
            return
        server, self._server = self._server, None
        self._ticks.cancel()
        await asyncio.gather(self._ticks, return_exceptions=True)
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

    def _config(self) -> uvicorn.Config:
        config = uvicorn.Config(
            self._app,
            host=self.host,
            port=self.port,
            http=http_protocol(self._head_bytes),
            h11_max_incomplete_event_size=self._head_bytes,
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # the guard judges the peer itself
            server_header=False,
            backlog=BACKLOG,
            limit_concurrency=self._connections + 1,  # the one that reaches it is refused
        )
        if self._tls is not None:
            config.ssl_certfile, config.ssl_keyfile = self._tls.cert_file, self._tls.key_file
            config.ssl_ca_certs = self._tls.client_ca_file and str(self._tls.client_ca_file)
            config.ssl_cert_reqs = ssl.CERT_REQUIRED if self._tls.client_ca_file else ssl.CERT_NONE
        return config


async def _listen(host: str, port: int) -> socket.socket:
    """A bound socket.

    Its protocol is named, because asyncio sets TCP_NODELAY only on sockets that say they are TCP,
    and an accepted one says what its listener says: without it a keep-alive connection manages
    22 requests/s, each waiting for the peer's delayed acknowledgement.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, _, _, _, address = found[0]
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            if os.name == "posix":  # elsewhere it would let two servers share a port
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)  # where somebody else has it, bound as ours is, this tells
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise EngineError(_reason(error, host, port)) from error
    listener.setblocking(False)
    return listener


def _reason(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"HTTP port {port} is in use on {host}: free it, or set `port` (0 takes a free one)"
    if error.errno == errno.EACCES:
        return f"HTTP port {port} needs rights that this process lacks: set `port` above 1023"
    return f"HTTP cannot listen on {host} port {port}: {error.strerror}; check `host` and `port`"
