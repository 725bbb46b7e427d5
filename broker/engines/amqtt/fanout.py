"""How amqtt sends messages on, with MQTT 3.1.1's rules kept and every queue bounded."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from amqtt.broker import Broker
from amqtt.contexts import Action, BrokerConfig
from amqtt.errors import ProtocolHandlerError

from dskity.broker.engines.amqtt.filters import Filters
from dskity.bus.base import tasks
from dskity.bus.base.clock import SYSTEM_CLOCK
from dskity.bus.base.throttled_log import ThrottledLog

if TYPE_CHECKING:
    from collections import deque

    from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
    from amqtt.session import OutgoingApplicationMessage, Session

log = logging.getLogger(__name__)

MAX_QUEUED = 10_000
"""Messages that wait for one client, connected or not; above it new ones for it are dropped."""
_BACKLOG_HIGH, _BACKLOG_LOW = 1_000, 500
_COMPLAINTS = "dskity.complaints"

Access: TypeAlias = Callable[[str | None, str, str], bool]
"""May (user, `publish` | `subscribe` | `receive`, topic or filter)?"""


class Fanout(Broker):
    """From one publisher to its subscribers.

    `room` is set while clients may be read from: it bounds what is read and not yet sent on.
    `dropped` counts messages that a subscriber with a full queue did not get.
    """

    def __init__(self, config: BrokerConfig, access: Access | None) -> None:
        super().__init__(config)
        self._subscriptions: Filters = Filters()
        self._access = access
        self._waiting: Counter[str] = Counter()
        self.dropped = 0
        self.room = asyncio.Event()
        self.room.set()

    async def _topic_filtering(self, session: Session, topic: str, action: Action) -> bool:
        return self._access is None or self._access(session.username, action.value, topic)

    async def _handle_message_delivery(
        self,
        client_session: Session,
        _handler: BrokerProtocolHandler,
        wait_deliver: asyncio.Future[Any],
    ) -> bool:
        """True: go on with this client, which amqtt does not after a publish to `$…`."""
        message = wait_deliver.result()
        if message is not None:
            await self._handle_message(client_session, message)
        return True

    async def _handle_message(self, session: Session, message: Any) -> None:
        topic = message.topic
        if topic[0] == "$":
            _complain(session, f"ignored: client {session.client_id} publishes to '$…' topics")
        elif await self._topic_filtering(session, topic, Action.PUBLISH):
            await self._broadcast_message(session, topic, message.data, message.qos)
            if message.retain:
                await self.retain_message(session, topic, message.data, message.qos)

    async def _broadcast_message(
        self,
        session: Session | None,
        topic: str | None,
        data: bytes | bytearray | None,
        force_qos: int | None = None,
    ) -> None:
        await super()._broadcast_message(session, topic, data, force_qos)
        if self._broadcast_queue.qsize() > _BACKLOG_HIGH:
            self.room.clear()

    async def _broadcast_loop(self) -> None:
        """amqtt's, which it does not supervise."""
        await tasks.keep_running(super()._broadcast_loop, name="amqtt broadcast")

    async def _session_monitor(self) -> None:
        await tasks.keep_running(super()._session_monitor, name="amqtt sessions")

    async def _run_broadcast(
        self, running_tasks: deque[asyncio.Task[OutgoingApplicationMessage]]
    ) -> None:
        """Send one message on. amqtt does not look at what this raises."""
        message = await self._broadcast_queue.get()
        if self._broadcast_queue.qsize() < _BACKLOG_LOW:
            self.room.set()
        try:
            await self._fan_out(message, running_tasks)
        except Exception as error:  # noqa: BLE001  # the next message is another one
            tasks.report("amqtt fanout", error)

    async def _fan_out(
        self,
        message: dict[str, Any],
        running_tasks: deque[asyncio.Task[OutgoingApplicationMessage]],
    ) -> None:
        """To each subscriber, at the lower of its own and the granted QoS ([MQTT-3.8.4-6])."""
        for session, granted in self._subscribers(message["topic"]):
            if await self._topic_filtering(session, message["topic"], Action.RECEIVE):
                await self._send_on(message, min(message["qos"], granted), session, running_tasks)

    def _subscribers(self, topic: str) -> list[tuple[Session, int]]:
        """Each session once, with the highest QoS of its filters that match ([MQTT-3.3.5-1])."""
        found: dict[str | None, tuple[Session, int]] = {}
        for filter in self._subscriptions.candidates(topic):
            if self._matches(topic, filter):
                for session, granted in self._subscriptions[filter]:
                    _, other = found.get(session.client_id, (session, 0))
                    found[session.client_id] = (session, max(granted, other))
        return list(found.values())

    async def _send_on(
        self,
        message: dict[str, Any],
        qos: int,
        session: Session,
        running_tasks: deque[asyncio.Task[OutgoingApplicationMessage]],
    ) -> None:
        client_id = str(session.client_id)
        handler = self._get_handler(session)
        if session.transitions.state != "connected" or handler is None:
            if qos and not session.clean_session:
                await self._retain_broadcast_message(message, qos, session)
        elif self._waiting[client_id] + len(session.inflight_out) >= MAX_QUEUED:
            self._drop(session)
        else:
            task = tasks.spawn(_send(handler, message, qos), name="amqtt send")
            self._waiting[client_id] += 1
            task.add_done_callback(lambda _: self._sent(client_id))
            running_tasks.append(task)  # type: ignore[arg-type]  # amqtt asks for no result

    def _sent(self, client_id: str) -> None:
        self._waiting[client_id] -= 1
        if not self._waiting[client_id]:
            del self._waiting[client_id]

    async def _retain_broadcast_message(
        self, broadcast: dict[str, Any], qos: int, target_session: Session
    ) -> None:
        if target_session.retained_messages.qsize() >= MAX_QUEUED:
            self._drop(target_session)
        else:
            await super()._retain_broadcast_message(broadcast, qos, target_session)

    async def _publish_session_retained_messages(self, session: Session) -> None:
        """What was queued is no retained message, and is sent without RETAIN ([MQTT-3.3.1-9])."""
        handler = self._get_handler(session)
        queue = session.retained_messages
        while handler is not None and not queue.empty():
            queued = queue.get_nowait()
            await handler.mqtt_publish(queued.topic, queued.data, queued.qos, retain=False)

    def _drop(self, session: Session) -> None:
        self.dropped += 1
        client_id = session.client_id
        _complain(session, f"messages for client {client_id} are dropped: {MAX_QUEUED} wait for it")


async def _send(handler: BrokerProtocolHandler, message: dict[str, Any], qos: int) -> None:
    # What amqtt makes of a cancellation at shutdown, to write a traceback for each message.
    with contextlib.suppress(ProtocolHandlerError):
        await handler.mqtt_publish(message["topic"], message["data"], qos, retain=False)


def _complain(session: Session, text: str) -> None:
    # Each client has its own, so that two of them cannot take turns in filling the log.
    fresh = ThrottledLog(log, SYSTEM_CLOCK)
    throttled: ThrottledLog = session.attributes.setdefault(_COMPLAINTS, fresh)
    throttled.warn(text)
