"""amqtt in our own process: the broker for a machine that has no other."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Final

from dskity.broker.engines.amqtt.broker import MqttBroker
from dskity.broker.engines.amqtt.door import MAX_PACKET, Door
from dskity.broker.engines.amqtt.fanout import Access
from dskity.broker.engines.listen import Listen, bind_all
from dskity.broker.engines.origin import Origins
from dskity.broker.limits import Limits
from dskity.broker.users import Users
from dskity.bus.base.tasks import spawn
from dskity.bus.base.threads import blocking
from dskity.bus.errors import EngineError, Unsupported

STOP_WITHIN = 5.0


class EmbeddedBroker:
    """An engine: amqtt on this event loop. `access` decides on topics; None allows all."""

    name: Final = "amqtt"
    cannot: tuple[str, ...] = (
        "Retained and queued messages and sessions end with this process: nothing is on disk.",
        "MQTT 3.1.1 only: MQTT 5 properties use an envelope, and no message expires.",
        "No shared subscriptions: `group=` is rejected.",
        "A few thousand messages a second, on the handlers' CPU; mosquitto handles many more.",
    )

    limits: Limits = Limits(max_packet=MAX_PACKET)

    def __init__(self, listen: Listen, *, access: Access | None = None) -> None:
        if listen.acl_file is not None:
            raise Unsupported(
                "amqtt reads no acl_file: set broker.engine to mosquitto, or leave the file out"
            )
        self._listen = listen
        self._access = access
        self._port = listen.port
        self._websocket_port = listen.websocket_port
        self._broker: MqttBroker | None = None
        self._door: Door | None = None

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
        return self._door is not None

    async def start(self) -> None:
        """Open the port; `EngineError` where it is taken."""
        if self._broker is not None:
            raise EngineError("this broker is already running: stop it, or create another one")
        _quiet("amqtt", "transitions", "websockets")
        users, tcp, web = await blocking(self._prepare)
        self._port = tcp[0].getsockname()[1]
        if web:
            self._websocket_port = web[0].getsockname()[1]
        self._broker = MqttBroker(users, self._access)
        self._door = Door(self._broker, Origins(self._listen))
        await self._broker.start()
        await self._door.open(tcp, web)

    def save(self) -> None:
        """See `Engine`: it has nothing on the disk."""

    async def stop(self) -> None:
        """Disconnect everybody and close the ports; returns when no task is left."""
        broker, self._broker = self._broker, None
        door, self._door = self._door, None
        if broker is None or door is None:
            return
        door.shut()
        shutdown = spawn(broker.shutdown(), name="amqtt shutdown", awaited=True)
        await asyncio.wait({shutdown}, timeout=STOP_WITHIN)
        door.abort()  # a client that reads nothing holds amqtt up in flushing to it
        await shutdown
        await door.clear()

    def _prepare(self) -> tuple[Users | None, list[socket.socket], list[socket.socket]]:
        listen = self._listen
        users = None if listen.users_file is None else Users.load(listen.users_file)
        return users, *bind_all(listen)


def _quiet(*names: str) -> None:
    # They log every packet. Who has set a level on them wants that, and keeps it.
    for name in names:
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.WARNING)
