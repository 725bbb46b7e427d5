"""Connections into amqtt: each a task that we know and can end.

amqtt's own listeners have no time limit for CONNECT, wait for the rest of an MQTT 5 CONNECT, and
give a session away before the password is checked.
"""

from __future__ import annotations

import asyncio
import logging
import socket

from amqtt.broker import Broker
from amqtt.mqtt.connack import NOT_AUTHORIZED, UNACCEPTABLE_PROTOCOL_VERSION, ConnackPacket

from dskity.broker.engines.amqtt.streams import ClientReader, ClientWriter
from dskity.broker.packets.connect import Connect, OtherVersion
from dskity.broker.packets.values import Malformed
from dskity.broker.users import Users
from dskity.bus.base.threads import blocking

log = logging.getLogger(__name__)

LISTENER = "default"
CONNECT_WITHIN = 10.0
CLOSE_WITHIN = 1.0
MAX_CONNECTIONS = 4_096
MAX_STRANGERS = 256
"""Connections that have not sent a CONNECT that was accepted; one more ends the oldest of them."""
_CHECKS_AT_ONCE = 2
# Of the loop, from an accepted socket to its task: who came in as the port was closed must be known
# before everybody is cut off, or nobody closes that connection.
_TURNS_TO_ACCEPT = 5
_LEVEL_5 = 5
_REFUSAL_5 = b"\x20\x03\x00\x84\x00"  # CONNACK "unsupported protocol version" of MQTT 5


class Connections:
    """Accepts connections, and gives those that may connect to `broker`; `users` None: all may."""

    def __init__(self, broker: Broker, users: Users | None) -> None:
        self._broker = broker
        self._users = users
        self._servers: list[asyncio.Server] = []
        self._open: dict[asyncio.Task[None], asyncio.WriteTransport] = {}
        self._strangers: dict[asyncio.Task[None], asyncio.WriteTransport] = {}
        self._checking = asyncio.Semaphore(_CHECKS_AT_ONCE)

    async def open(self, sockets: list[socket.socket]) -> None:
        """Accept MQTT over TCP."""
        for sock in sockets:
            self._servers.append(await asyncio.start_server(self._accepted, sock=sock))

    def shut(self) -> None:
        """Accept no client any more."""
        for server in self._servers:
            server.close()

    def abort(self) -> None:
        """Cut all connections, without flushing what waits to be sent."""
        for transport in self._open.values():
            transport.abort()

    async def clear(self) -> None:
        """Cut every client that is still here, and return when all are gone."""
        for _ in range(_TURNS_TO_ACCEPT):
            await asyncio.sleep(0)
        self.abort()
        for task in self._open:
            task.cancel()
        if self._open:
            await asyncio.wait(set(self._open))
        for server in self._servers:
            await server.wait_closed()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # the server calls from a task
        peer = writer.get_extra_info("peername")
        task.set_name(f"amqtt-client-{peer}")
        if len(self._open) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        self._open[task] = self._strangers[task] = writer.transport
        if len(self._strangers) > MAX_STRANGERS:
            oldest = next(iter(self._strangers))
            self._strangers.pop(oldest).abort()
        try:
            await self._serve(task, ClientReader(reader), ClientWriter(writer))
        except (OSError, EOFError, Malformed) as error:
            log.debug("connection from %s ended: %r", peer, error)
        except asyncio.CancelledError:
            log.debug("connection from %s is cut", peer)  # by `clear`; asyncio would log an error
        except Exception as error:  # noqa: BLE001  # a client that returns finds the broker as it is
            # As where another client subscribes while amqtt goes through all subscriptions.
            log.warning("amqtt failed, and the connection from %s is closed: %r", peer, error)
        await close(writer)
        self._strangers.pop(task, None)
        del self._open[task]

    async def _serve(
        self, task: asyncio.Task[None], reader: ClientReader, writer: ClientWriter
    ) -> None:
        try:
            async with asyncio.timeout(CONNECT_WITHIN):
                connect = await reader.connect()
                level = _LEVEL_5 if connect.five else None
        except OtherVersion as error:
            level = error.level
        if level is not None:
            refusal = ConnackPacket.build(0, UNACCEPTABLE_PROTOCOL_VERSION).to_bytes()
            writer.write(_REFUSAL_5 if level >= _LEVEL_5 else refusal)
        elif await self._knows(connect):
            self._strangers.pop(task, None)
            await self._broker.external_connected(reader, writer, LISTENER)
        else:
            writer.write(ConnackPacket.build(0, NOT_AUTHORIZED).to_bytes())

    async def _knows(self, connect: Connect) -> bool:
        if self._users is None:
            return True
        try:
            password = None if connect.password is None else connect.password.decode()
        except UnicodeDecodeError:
            return False
        async with self._checking:
            return await blocking(self._users.verify, connect.user, password)


async def close(writer: asyncio.StreamWriter) -> None:
    """Flush, for as long as `CLOSE_WITHIN`: a client that reads nothing is cut off."""
    try:
        writer.close()
        async with asyncio.timeout(CLOSE_WITHIN):
            await writer.wait_closed()
    except (OSError, asyncio.CancelledError):
        pass  # a client that reset the connection, or reads nothing (TimeoutError); `clear`
    finally:
        writer.transport.abort()
