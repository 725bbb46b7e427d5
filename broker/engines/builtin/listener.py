"""The ports of the broker, and how many strangers they hold."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dskity.broker.engines.builtin.connection import Connection
from dskity.broker.engines.builtin.output import Output
from dskity.broker.engines.builtin.server import Server
from dskity.broker.engines.builtin.states import State
from dskity.broker.engines.builtin.tcp import TcpClient
from dskity.bus.base import tasks

if TYPE_CHECKING:
    from dskity.broker.packets.connect import Connect

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 4_096
MAX_STRANGERS = 256
"""Connections that have not sent a CONNECT that was accepted; one more ends the oldest of them."""
_TURNS_TO_CLOSE = 3  # of the loop, until a transport that was aborted has said so


class Acceptor(Protocol):
    """A server on one or more ports."""

    def close(self) -> None:
        """Accept no client any more."""
        ...

    async def wait_closed(self) -> None:
        """Return when nothing of it is left."""
        ...


@dataclass(slots=True, eq=False)
class _Client:
    connection: Connection
    abort: Callable[[], None]
    checking: asyncio.Task[None] | None = None


class Listener:
    """Accepts connections for `server`, until it is `shut`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._acceptors: list[Acceptor] = []
        self._clients: dict[Output, _Client] = {}
        self._strangers: dict[Output, None] = {}
        self.shut = False
        self._empty = asyncio.Event()

    async def open_tcp(self, sockets: list[socket.socket]) -> None:
        """Accept MQTT over TCP on these."""
        loop = asyncio.get_running_loop()
        for sock in sockets:
            self._acceptors.append(await loop.create_server(lambda: TcpClient(self), sock=sock))

    def add(self, acceptor: Acceptor) -> None:
        """Close this one with the others."""
        self._acceptors.append(acceptor)

    def accepted(self, output: Output, peer: str, abort: Callable[[], None]) -> Connection:
        """A connection came; `abort` cuts it."""
        connection = Connection(
            self._server, output, peer, lambda connect: self._check(output, connect)
        )
        self._clients[output] = _Client(connection, abort)
        self._strangers[output] = None
        if self.shut or len(self._clients) > MAX_CONNECTIONS:
            abort()
        elif len(self._strangers) > MAX_STRANGERS:
            self._end_oldest()
        return connection

    def _end_oldest(self) -> None:
        """Of the strangers; who has been let in since is none."""
        for output in tuple(self._strangers):
            client = self._clients[output]
            del self._strangers[output]
            if client.connection.state is not State.OPEN:
                self._server.complain(
                    client.connection.peer, f"{MAX_STRANGERS} connections without a CONNECT"
                )
                client.abort()
                return
            if len(self._strangers) <= MAX_STRANGERS:
                return

    def gone(self, output: Output, connection: Connection) -> None:
        """A connection has ended."""
        client = self._clients.pop(output)
        self._strangers.pop(output, None)
        if client.checking is not None:
            client.checking.cancel()
        connection.lost()
        if not self._clients:
            self._empty.set()

    def _check(self, output: Output, connect: Connect) -> None:
        client = self._clients[output]
        client.checking = tasks.spawn(
            self._verify(client.connection, connect), name="broker password"
        )

    async def _verify(self, connection: Connection, connect: Connect) -> None:
        connection.admit(await self._server.knows(connect))

    async def close(self) -> None:
        """Disconnect everybody, close the ports, and return when nothing is left."""
        self.shut = True
        for acceptor in self._acceptors:
            acceptor.close()
        for client in tuple(self._clients.values()):
            client.connection.shut_down()
        await self._clear()
        for acceptor in self._acceptors:
            await acceptor.wait_closed()

    async def _clear(self) -> None:
        """Each has a second to take what was written to it (`CLOSE_WITHIN`)."""
        checks = [client.checking for client in self._clients.values() if client.checking]
        self._empty.clear()
        if self._clients:
            await self._empty.wait()
        if checks:
            await asyncio.wait(checks)
        if self._server.checks:
            await asyncio.wait(tuple(self._server.checks))
        for _ in range(_TURNS_TO_CLOSE):
            await asyncio.sleep(0)
