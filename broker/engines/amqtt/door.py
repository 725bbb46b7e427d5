"""Connections into amqtt, over TCP and WebSocket: each a task that we know and can end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from http import HTTPStatus

import websockets.asyncio.server as websocket
from amqtt.adapters import (
    ReaderAdapter,
    StreamReaderAdapter,
    StreamWriterAdapter,
    WebSocketsReader,
    WebSocketsWriter,
    WriterAdapter,
)
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from dskity.broker.engines.amqtt.broker import LISTENER, MqttBroker
from dskity.broker.engines.amqtt.reader import PacketReader
from dskity.broker.engines.origin import Origins

log = logging.getLogger(__name__)

CONNECT_WITHIN = 10.0
CLOSE_WITHIN = 1.0
# Of the loop, from the accepted socket to the task of `_on_stream`: who came in as the door was
# shut must be known before everybody is sent away, or nobody closes that connection.
_TURNS_TO_ACCEPT = 5
MAX_PACKET = 16 * 1024 * 1024
_LEVEL, _LEVEL_5 = 4, 5  # of MQTT 3.1.1 and of MQTT 5
# CONNACK "unsupported protocol version", in MQTT 5's form and in that of the versions before it.
_REFUSAL_5, _REFUSAL = b"\x20\x03\x00\x84\x00", b"\x20\x02\x00\x01"


class _StreamWriter(StreamWriterAdapter):
    """Closing flushes first; a client that reads nothing would let amqtt wait for ever."""

    async def close(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_WITHIN):
                await super().close()
        except OSError:  # a client that reset the connection, or, by TimeoutError, reads nothing
            self._writer.transport.abort()
        except asyncio.CancelledError:
            self._writer.transport.abort()  # nobody will ask again
            raise


class Door:
    """Accepts connections on sockets that are given to it, and hands them to `broker`."""

    def __init__(self, broker: MqttBroker, origins: Origins) -> None:
        self._broker = broker
        self._origins = origins
        self._servers: list[asyncio.Server | websocket.Server] = []
        self._connections: dict[asyncio.Task[None], Callable[[], None]] = {}

    async def open(self, tcp: list[socket.socket], web: list[socket.socket]) -> None:
        """Accept MQTT over TCP and over WebSocket."""
        for sock in tcp:
            self._servers.append(await asyncio.start_server(self._on_stream, sock=sock))
        for sock in web:
            server = await websocket.serve(
                self._on_websocket,
                sock=sock,
                subprotocols=[Subprotocol("mqtt")],
                max_size=MAX_PACKET,
                process_request=self._check,
                compression=None,  # of telemetry in small frames it costs more than it saves
            )
            self._servers.append(server)

    def shut(self) -> None:
        """Accept no client any more."""
        for server in self._servers:
            server.close()

    async def clear(self) -> None:
        """Cut every client that is still here, and return when all are gone."""
        for _ in range(_TURNS_TO_ACCEPT):
            await asyncio.sleep(0)
        for task, abort in self._connections.items():
            abort()
            task.cancel()
        if self._connections:
            await asyncio.wait(set(self._connections))
        for server in self._servers:
            await server.wait_closed()

    def abort(self) -> None:
        """Cut all connections, without flushing what waits to be sent."""
        for abort in self._connections.values():
            abort()

    def _check(self, connection: websocket.ServerConnection, request: Request) -> Response | None:
        """403 for a handshake that is refused."""
        headers = request.headers
        hosts = headers.get_all("Host")
        fault = self._origins.refusal(
            headers.get_all("Origin"), hosts[0] if len(hosts) == 1 else None
        )
        if fault is None:
            return None
        log.warning("a WebSocket from %s is refused: %s", connection.remote_address, fault)
        return connection.respond(HTTPStatus.FORBIDDEN, f"{fault}\n")

    async def _on_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._connection(
            StreamReaderAdapter(reader), _StreamWriter(writer), writer.transport.abort
        )

    async def _on_websocket(self, connection: websocket.ServerConnection) -> None:
        await self._connection(
            WebSocketsReader(connection), WebSocketsWriter(connection), connection.transport.abort
        )

    async def _connection(
        self, reader: ReaderAdapter, writer: WriterAdapter, abort: Callable[[], None]
    ) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # both servers call from a task
        peer = writer.get_peer_info()
        task.set_name(f"amqtt-client-{peer}")
        self._connections[task] = abort
        try:
            await self._admit(PacketReader(reader, self._broker.room, MAX_PACKET), writer)
        except (OSError, EOFError) as error:
            log.debug("connection from %s ended: %r", peer, error)
        finally:
            del self._connections[task]
            with contextlib.suppress(OSError):
                await writer.close()

    async def _admit(self, reader: PacketReader, writer: WriterAdapter) -> None:
        async with asyncio.timeout(CONNECT_WITHIN):
            level = await reader.protocol_level()
        if level == _LEVEL:
            await self._broker.external_connected(reader, writer, LISTENER)
        elif level is not None:
            writer.write(_REFUSAL_5 if level >= _LEVEL_5 else _REFUSAL)
            await writer.drain()
