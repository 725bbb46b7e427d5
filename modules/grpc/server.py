"""The gRPC server: what modules have added, health and reflection, behind the guard."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2_grpc

from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.base.tasks import is_ending, keep_running
from dskity.bus.base.threads import blocking
from dskity.bus.errors import EngineError
from dskity.modules.access.security import Guard
from dskity.modules.access.server_tls import ServerTls
from dskity.modules.contract import Check
from dskity.modules.grpc import reflection
from dskity.modules.grpc.client import GrpcClients, Servicers
from dskity.modules.grpc.door import Door
from dskity.modules.grpc.health import Health
from dskity.modules.grpc.tls import credentials

_logger = logging.getLogger(__name__)
_KEEPALIVE_MS, _KEEPALIVE_TIMEOUT_MS = 60_000, 20_000
"""A subscriber whose machine is gone is noticed within the sum of these."""
_METADATA_BYTES = 16 * 1024
"""Of one call; up to twice as much is refused by chance, more always."""


@dataclass(frozen=True, slots=True)
class GrpcBounds:
    """What strangers can hold: calls of one connection, connections, calls of all connections;
    seconds until a connection has sent its settings, and that it may stay without a call."""

    streams: int = 1000
    connections: int = 1000
    calls: int = 2000
    handshake_seconds: float = 10.0
    idle_seconds: float = 300.0


_NO_BOUNDS = GrpcBounds()


class GrpcServer:
    """Start it last: what is in `clients` by then is served.

    `port` 0 takes a free one; the property tells which. `ready` is asked for the health service.
    """

    def __init__(
        self,
        clients: GrpcClients,
        guard: Guard,
        ready: Check,
        *,
        host: str = "127.0.0.1",
        port: int = 50_051,
        max_message_bytes: int = 4 * 1024 * 1024,
        bounds: GrpcBounds = _NO_BOUNDS,
        tls: ServerTls | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._clients = clients
        self._door = Door(guard, lambda: self._port)
        self._calls = bounds.calls
        self._ready = ready
        self._host = host
        self._port = port
        self._tls = tls
        self._options = [
            ("grpc.so_reuseport", 0),  # by default a port in use would be shared, unnoticed
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.max_concurrent_streams", bounds.streams),
            ("grpc.max_allowed_incoming_connections", bounds.connections),
            ("grpc.server_handshake_timeout_ms", round(bounds.handshake_seconds * 1000)),
            ("grpc.max_connection_idle_ms", round(bounds.idle_seconds * 1000)),
            ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
            ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
            ("grpc.max_metadata_size", _METADATA_BYTES),
            ("grpc.absolute_max_metadata_size", 2 * _METADATA_BYTES),
        ]
        self._clock = clock
        self._server: grpc.aio.Server | None = None
        self._health: Health | None = None
        self._following: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._port

    async def start(self) -> None:
        """Listen and serve; `EngineError` where the port is taken."""
        servicers = self._clients.take()
        names = (*servicers.names, health.SERVICE_NAME, reflection.SERVICE_NAME)
        self._health = Health(self._ready, names, self._clock)
        _add(servicers, self._health, health_pb2_grpc.add_HealthServicer_to_server)
        servicers.add_generic_rpc_handlers((reflection.handler(names),))
        server = grpc.aio.server(
            handlers=servicers.handlers,
            interceptors=[self._door],
            options=self._options,
            maximum_concurrent_rpcs=self._calls,
        )
        try:
            self._port = await self._bind(server)
            await server.start()
            await self._health.refresh()
        except BaseException:
            await server.stop(None)
            raise
        self._server = server
        self._following = keep_running(self._health.follow, name="grpc health", clock=self._clock)

    async def stop(self, grace: float = 0.0) -> None:
        """Say NOT_SERVING, end streams, let other calls end for `grace` seconds, then cancel."""
        if self._server is None or self._health is None or self._following is None:
            return
        self._following.cancel()
        await asyncio.wait({self._following})
        await self._health.enter_graceful_shutdown()
        self._door.end_streams()
        try:
            await self._server.stop(grace)
        except asyncio.CancelledError:
            if is_ending():
                raise
            _logger.warning("module code cancelled the tasks of the gRPC server")
        self._server = None

    async def _bind(self, server: grpc.aio.Server) -> int:
        host = f"[{self._host}]" if ":" in self._host else self._host
        address = f"{host}:{self._port}"
        secret = None if self._tls is None else await blocking(credentials, self._tls)
        try:
            if secret is None:
                return server.add_insecure_port(address)
            return server.add_secure_port(address, secret)
        except RuntimeError as error:
            raise EngineError(
                f"gRPC cannot listen on {address}: is the port in use? Free it, or set "
                "`grpc.port` to another one (0 takes a free one)"
            ) from error


def _add(servicers: Servicers, servicer: Any, register: Callable[[Any, Any], None]) -> None:
    register(servicer, servicers)
