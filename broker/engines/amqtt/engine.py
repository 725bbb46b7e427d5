"""amqtt as an engine: MQTT 3.1.1 over TCP on this event loop, with the rules that amqtt keeps."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Final

from amqtt.contexts import BrokerConfig, ListenerConfig, ListenerType
from amqtt.errors import ProtocolHandlerError

from dskity.broker.engines.amqtt.connections import LISTENER, Connections
from dskity.broker.engines.amqtt.rules import PLUGINS, Ungrouped
from dskity.broker.engines.amqtt.streams import MAX_PACKET
from dskity.broker.engines.listen import Listen, bind_all
from dskity.broker.limits import Limits
from dskity.broker.users import Users
from dskity.bus.base.tasks import spawn
from dskity.bus.base.threads import blocking
from dskity.bus.errors import EngineError, Unsupported

STOP_WITHIN = 5.0
SESSION_SECONDS = 14 * 86_400


class AmqttBroker:
    """An engine: amqtt as it comes, behind connections of ours."""

    name: Final = "amqtt"
    cannot: tuple[str, ...] = (
        "Retained and queued messages and sessions end with this process: nothing is on disk.",
        "MQTT 3.1.1 only: MQTT 5 properties use an envelope, and no message expires.",
        "No shared subscriptions: `group=` is rejected.",
        "No redelivery: what is not acknowledged within 5 s, or before a disconnect, is lost.",
        "What a client sends just before it disconnects can be lost after its acknowledgement.",
        "No keep-alive: a client that vanishes silently keeps its connection, and has no will.",
        "A client that disconnects cleanly can have a will all the same.",
        "Its queues have no limit: a fast publisher or a slow subscriber can use all memory.",
        "A few thousand messages a second, on the handlers' CPU; builtin handles many more.",
    )

    limits: Limits = Limits(max_packet=MAX_PACKET)

    def __init__(self, listen: Listen) -> None:
        if listen.acl_file is not None:
            raise Unsupported(
                "amqtt reads no acl_file: set broker.engine to mosquitto, or leave the file out"
            )
        if listen.websocket_port is not None:
            raise Unsupported(
                "amqtt opens no broker.websocket_port: set broker.engine to builtin or mosquitto, "
                "or leave the port out"
            )
        self._listen = listen
        self._port = listen.port
        self._broker: Ungrouped | None = None
        self._connections: Connections | None = None

    @property
    def url(self) -> str:
        """Where clients on this machine connect; with port 0 only known after `start`."""
        return self._listen.url(self._port)

    @property
    def healthy(self) -> bool:
        """Whether it accepts connections."""
        return self._connections is not None

    async def start(self) -> None:
        """Open the port; `EngineError` where it is taken."""
        if self._broker is not None:
            raise EngineError("this broker is already running: stop it, or create another one")
        _quiet("amqtt", "transitions")
        logging.getLogger("amqtt.broker").addFilter(_is_news)
        users, sockets = await blocking(self._prepare)
        self._port = sockets[0].getsockname()[1]
        self._broker = Ungrouped(
            BrokerConfig(
                # Without a socket: connections come in through `external_connected`.
                listeners={LISTENER: ListenerConfig(type=ListenerType.EXTERNAL, bind=LISTENER)},
                plugins=PLUGINS,
                session_expiry_interval=SESSION_SECONDS,
            )
        )
        self._connections = Connections(self._broker, users)
        await self._broker.start()
        await self._connections.open(sockets)

    def save(self) -> None:
        """See `Engine`: it has nothing on the disk."""

    async def stop(self) -> None:
        """Disconnect everybody and close the port; returns when no task is left."""
        broker, self._broker = self._broker, None
        connections, self._connections = self._connections, None
        if broker is None or connections is None:
            return
        connections.shut()
        shutdown = spawn(broker.shutdown(), name="amqtt shutdown", awaited=True)
        await asyncio.wait({shutdown}, timeout=STOP_WITHIN)
        connections.abort()  # a client that reads nothing holds amqtt up in flushing to it
        await shutdown
        await connections.clear()

    def _prepare(self) -> tuple[Users | None, list[socket.socket]]:
        users_file = self._listen.users_file
        users = None if users_file is None else Users.load(users_file)
        return users, bind_all(self._listen)[0]


def _quiet(*names: str) -> None:
    # They log every packet. Who has set a level on them wants that, and keeps it.
    for name in names:
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.WARNING)


def _is_news(record: logging.LogRecord) -> bool:
    # amqtt writes a traceback for each message without an acknowledgement, of which it has warned,
    # and for each that it could not send before its end.
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, TimeoutError | ProtocolHandlerError)
