"""The built-in broker as an engine: MQTT 5 and 3.1.1 in our own process, without a library."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from dskity.broker.engines.builtin.listener import Listener
from dskity.broker.engines.builtin.server import Rules, Server
from dskity.broker.engines.builtin.websocket import open_websocket
from dskity.broker.engines.listen import Listen, bind_all
from dskity.broker.engines.origin import Origins
from dskity.broker.limits import Limits
from dskity.broker.users import Users
from dskity.bus.base import tasks
from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.base.threads import blocking
from dskity.bus.errors import EngineError, Unsupported


class BuiltinBroker:
    """An engine: a broker of ours on this event loop."""

    name: Final = "builtin"
    cannot: tuple[str, ...] = (
        "Retained and queued messages and sessions end with this process: nothing is on disk.",
        "It shares a CPU with the handlers; mosquitto uses another one.",
    )

    def __init__(
        self, listen: Listen, *, rules: Rules | None = None, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        if listen.acl_file is not None:
            raise Unsupported(
                "the built-in broker reads no acl_file: set broker.engine to mosquitto, or leave "
                "the file out"
            )
        self._listen = listen
        self._rules = rules or Rules()
        self._clock = clock
        self._port = listen.port
        self._websocket_port = listen.websocket_port
        self._listener: Listener | None = None
        self._timers: asyncio.Task[None] | None = None
        self.limits = Limits(max_packet=self._rules.max_packet)

    @property
    def url(self) -> str:
        """Where clients on this machine connect; with port 0 only known after `start`."""
        return self._listen.url(self._port)

    @property
    def websocket_port(self) -> int | None:
        """The port that is open for MQTT over WebSocket."""
        return self._websocket_port

    @property
    def healthy(self) -> bool:
        """Whether it accepts connections."""
        return self._listener is not None

    async def start(self) -> None:
        """Open the port; `EngineError` where it is taken."""
        if self._listener is not None:
            raise EngineError("this broker is already running: stop it, or create another one")
        users, tcp, web = await blocking(self._prepare)
        self._port = tcp[0].getsockname()[1]
        if web:
            self._websocket_port = web[0].getsockname()[1]
        server = Server(_soon, users, rules=self._rules, clock=self._clock)
        self._timers = tasks.keep_running(server.timers.run, name="broker timers")
        self._listener = Listener(server)
        await self._listener.open_tcp(tcp)
        await open_websocket(self._listener, web, Origins(self._listen))

    def save(self) -> None:
        """See `Engine`: it has nothing on the disk."""

    async def stop(self) -> None:
        """Disconnect everybody and close the ports; returns when no task is left."""
        listener, self._listener = self._listener, None
        timers, self._timers = self._timers, None
        if listener is None or timers is None:
            return
        await listener.close()
        timers.cancel()
        await asyncio.wait({timers})

    def _prepare(self) -> tuple[Users | None, list[socket.socket], list[socket.socket]]:
        users_file = self._listen.users_file
        users = None if users_file is None else Users.load(users_file)
        return users, *bind_all(self._listen)


def _soon(callback: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_soon(tasks.call, "broker delivery", callback)
