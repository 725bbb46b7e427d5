"""amqtt, keeping those rules of MQTT 3.1.1 that it breaks.

What is overridden are internal methods of amqtt, hence the pin `amqtt>=0.12.1,<0.13`;
`tests/engines/test_embedded_rules.py` shows every rule on the wire, and so fails where a newer
amqtt moves them. Here: who connects and subscribes; in `amqtt_fanout.py`: who gets what.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

from amqtt.contexts import BrokerConfig, ListenerConfig, ListenerType
from amqtt.errors import AMQTTError
from amqtt.mqtt.connack import NOT_AUTHORIZED, ConnackPacket

from dskity.broker.engines.amqtt.fanout import Access, Fanout
from dskity.broker.engines.amqtt.handler import Handler
from dskity.broker.users import Users
from dskity.bus.base.threads import blocking

if TYPE_CHECKING:
    from amqtt.adapters import ReaderAdapter, WriterAdapter
    from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
    from amqtt.session import Session

LISTENER = "default"
SESSION_SECONDS = 14 * 86_400
_REFUSED = 0x80
_OF_A_CONNECTION = (
    "will_flag", "will_retain", "will_message", "will_topic", "will_qos", "keep_alive",
    "username", "password", "remote_address", "remote_port", "ssl_object",
)  # fmt: skip


class MqttBroker(Fanout):
    """A broker without sockets: connections come in through `external_connected`."""

    def __init__(self, users: Users | None, access: Access | None) -> None:
        listener = ListenerConfig(type=ListenerType.EXTERNAL, bind=LISTENER)
        super().__init__(
            BrokerConfig(
                listeners={LISTENER: listener},
                plugins={},
                session_expiry_interval=SESSION_SECONDS,
            ),
            access,
        )
        self._users = users
        self._live: dict[str, tuple[BrokerProtocolHandler, asyncio.Event]] = {}
        self._subscribing: set[str] = set()

    async def _initialize_client_session(
        self,
        reader: ReaderAdapter,
        writer: WriterAdapter,
        remote_address: str,
        remote_port: int,
    ) -> tuple[BrokerProtocolHandler, Session]:
        """Check the password before anything of an earlier session is touched."""
        handler, session = await Handler.init_from_connect(reader, writer, self.plugins_manager)
        if not await self._is_known(session):
            await ConnackPacket.build(0, NOT_AUTHORIZED).to_stream(writer)
            raise AMQTTError(f"wrong user or password from {remote_address}:{remote_port}")
        await self._end_earlier(str(session.client_id))
        session = await self._resume(str(session.client_id), session)
        # One and a half times the keep-alive ([MQTT-3.1.2-24]); amqtt waits once, and goes on.
        session.keep_alive = math.ceil(session.keep_alive * 1.5)
        return handler, session

    async def _is_known(self, session: Session) -> bool:
        if self._users is None:
            return True
        return await blocking(self._users.verify, session.username, session.password)

    async def _authenticate(self, _session: Session, _listener: ListenerConfig) -> bool:
        """Done by now; without amqtt's anonymous plugin, which would switch off offline queues."""
        return True

    async def _end_earlier(self, client_id: str) -> None:
        """Close the client's other connection, and let it end, first ([MQTT-3.1.4-2])."""
        while (live := self._live.get(client_id)) is not None:
            handler, ended = live
            await handler.handle_connection_closed()
            await ended.wait()

    async def _resume(self, client_id: str, session: Session) -> Session:
        kept, _ = self._sessions.get(client_id, (None, None))
        session.parent = 0
        if kept is None:
            return session
        if session.clean_session or kept.clean_session:
            await self._delete_session(client_id)
            return session
        for name in _OF_A_CONNECTION:
            setattr(kept, name, getattr(session, name))
        kept.parent = 1
        return kept

    async def _client_message_loop(
        self, client_session: Session, handler: BrokerProtocolHandler
    ) -> None:
        """Also handle what the client sent before its DISCONNECT and amqtt has acknowledged."""
        client_id = str(client_session.client_id)
        live = self._live[client_id] = (handler, asyncio.Event())
        try:
            await super()._client_message_loop(client_session, handler)
            queue = client_session.delivered_message_queue
            while not queue.empty():
                await self._handle_message(client_session, queue.get_nowait())
        finally:
            if self._live.get(client_id) is live:
                del self._live[client_id]
            live[1].set()

    async def add_subscription(self, subscription: tuple[str, int], session: Session) -> int:
        """Replace an earlier one; refuse `$share/…`, which amqtt grants and never delivers to."""
        if subscription[0].startswith("$share/"):
            return _REFUSED
        self._del_subscription(subscription[0], session)
        return await super().add_subscription(subscription, session)

    async def _handle_subscription(
        self,
        client_session: Session,
        handler: BrokerProtocolHandler,
        subscribe_waiter: asyncio.Future[Any],
    ) -> None:
        client_id = str(client_session.client_id)
        self._subscribing.add(client_id)
        try:
            await super()._handle_subscription(client_session, handler, subscribe_waiter)
        finally:
            self._subscribing.discard(client_id)

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        """On SUBSCRIBE only: amqtt also does it at connect, for the filters of all clients."""
        if session.client_id in self._subscribing:
            await super()._publish_retained_messages_for_subscription(subscription, session)
