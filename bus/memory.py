"""A broker and its transport in this process, with MQTT's rules: a back-end, and the test double.

`MemoryBroker` keeps sessions, subscriptions, retained messages, shared groups and what is not yet
acknowledged; `MemoryTransport` is one client. Both pass the contract suite of the real ones. A
session outlives its connection, so a client that comes back gets what it missed, in order, and
what it had not acknowledged again with the duplicate flag.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from dskity.bus import topics
from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.delivery import Delivery, meta_of
from dskity.bus.errors import NotConnected, TooLarge
from dskity.bus.message import Message
from dskity.bus.sessions.core import BrokerCore
from dskity.bus.sessions.session import Queued, Session
from dskity.bus.transport import Capabilities, Lane, Receiver, TransportEvents, no_groups, no_qos

CAPABILITIES = Capabilities(
    protocol="memory",
    headers=True,
    expiry=True,
    reports_no_match=True,
    shared=True,
    overlap="identified",
)


class MemoryBroker(BrokerCore[Message]):
    """A broker without a network. `stop()` and `start()` make it absent and present."""

    def __init__(
        self,
        *,
        clock: Clock = SYSTEM_CLOCK,
        capabilities: Capabilities = CAPABILITIES,
    ) -> None:
        super().__init__(clock)
        self.capabilities = capabilities
        self.running = True
        self._clients: list[MemoryTransport] = []

    def stop(self) -> None:
        """Go away: every client is cut off; sessions and retained messages stay."""
        self.running = False
        for client in tuple(self._clients):
            client.lose("the broker stopped")

    def start(self) -> None:
        """Come back; the clients reconnect."""
        self.running = True
        for client in tuple(self._clients):
            client.connect_soon()

    def named(self, identifier: int) -> tuple[int, ...]:
        """The identifiers that a copy for this subscription alone names."""
        return (identifier,) if self.capabilities.overlap == "identified" else ()

    def attach(self, client: MemoryTransport) -> None:
        """Remember a client, so that `start()` can reconnect it."""
        if client not in self._clients:
            self._clients.append(client)

    def detach(self, client: MemoryTransport) -> None:
        """Forget a client that closed for good; its session stays."""
        if client in self._clients:
            self._clients.remove(client)


class MemoryTransport:
    """One client of a `MemoryBroker`; see `Transport`."""

    def __init__(
        self, broker: MemoryBroker, client_id: str = "memory", will: Message | None = None
    ) -> None:
        self._broker = broker
        self._client_id = client_id
        self._will = will
        self._filters: dict[tuple[Lane, str], tuple[int, int, bool]] = {}
        self._session: Session[Message] | None = None
        self._receive: Receiver | None = None
        self._events: TransportEvents | None = None
        self._paused = False
        self._unplugged = False
        self._scheduled = False
        self._epoch = 0

    @property
    def client_id(self) -> str:
        """See `Transport`."""
        return self._client_id

    @property
    def connected(self) -> bool:
        """See `Transport`."""
        return self._session is not None

    @property
    def capabilities(self) -> Capabilities:
        """See `Transport`."""
        return self._broker.capabilities

    async def start(self, receive: Receiver, events: TransportEvents) -> None:
        """See `Transport`."""
        self._receive, self._events = receive, events
        self._broker.attach(self)
        self._connect()

    async def publish(self, message: Message) -> bool | None:
        """See `Transport`."""
        if self._session is None:
            raise NotConnected("not connected to the broker: it is stopped")
        limit = self._broker.capabilities.max_packet
        if limit is not None and len(message.payload) > limit:
            raise TooLarge(
                f"{message.topic}: {len(message.payload)} bytes; the broker takes {limit}"
            )
        can = self._broker.capabilities
        if message.qos > can.max_qos:
            raise no_qos(message.topic, message.qos, can, f"publish with qos={can.max_qos}")
        matched = self._broker.publish(message)
        if message.qos == 0 or not self._broker.capabilities.reports_no_match:
            return None
        return matched

    async def publish_apart(self, messages: Sequence[Message]) -> list[Exception | None]:
        """See `Transport`."""
        if self._session is None:
            raise NotConnected("not connected to the broker: it is stopped")
        for message in messages:
            self._broker.publish(message)
        return [None] * len(messages)

    async def subscribe(
        self,
        filter: str,
        qos: int,
        identifier: int,
        lane: Lane = "intake",
        *,
        as_published: bool = False,
    ) -> None:
        """See `Transport`."""
        if (
            self._session is not None
            and not self.capabilities.shared
            and topics.split_share(filter)[0] is not None
        ):
            raise no_groups(filter)
        self._filters[lane, filter] = (qos, identifier, as_published)
        if self._session is not None:
            self._subscribe(self._session, lane, filter)

    async def unsubscribe(self, filter: str, lane: Lane = "intake") -> None:
        """See `Transport`."""
        self._filters.pop((lane, filter), None)
        if self._session is not None:
            self._broker.unsubscribe(self._session, filter, lane)

    def pause(self) -> None:
        """See `Transport`."""
        self._paused = True

    def resume(self) -> None:
        """See `Transport`."""
        self._paused = False
        self.deliver_soon()

    async def close(self) -> None:
        """See `Transport`."""
        self._leave()
        self._broker.detach(self)

    def renew(self) -> None:
        """See `Transport`: it has one connection for both lanes."""
        self.unplug()
        self.plug_in()

    def unplug(self) -> None:
        """Break the connection without a will, and make none until `plug_in`."""
        self._unplugged = True
        if self._session is not None and self._events is not None:
            self._leave()
            self._events.disconnected("unplugged")

    def plug_in(self) -> None:
        """Connect again."""
        self._unplugged = False
        self.connect_soon()

    def cut(self) -> None:
        """Break the connection as a network does: the will is sent, and the client reconnects."""
        self.lose("the connection was lost")
        self.connect_soon()

    def kill(self) -> None:
        """End as a killed process does: the will is sent, and nothing reconnects."""
        self._broker.detach(self)
        self.lose("killed")

    def lose(self, reason: str) -> None:
        """The broker's side of a broken connection."""
        if self._session is None:
            return
        self._leave()
        if self._will is not None and self._broker.running:
            self._broker.publish(self._will)
        if self._events is not None:
            self._events.disconnected(reason)

    def _leave(self) -> None:
        self._epoch += 1
        if self._session is not None:
            self._session.client = None
            self._session = None

    def connect_soon(self) -> None:
        """Connect in the next turn of the loop."""
        asyncio.get_running_loop().call_soon(self._connect)

    def _connect(self) -> None:
        if not self._broker.running or self._session is not None or self._unplugged:
            return
        self._session, resumed = self._broker.open(self._client_id, self)
        for (lane, filter), (qos, identifier, as_published) in self._filters.items():
            known = self._session.subs.get((lane, filter))
            wanted = qos, self._broker.named(identifier), as_published
            if known is None or known.terms != wanted:
                self._subscribe(self._session, lane, filter)
        if self._events is not None:
            self._events.connected(self._broker.capabilities, resumed=resumed)
        self.deliver_soon()

    def _subscribe(self, session: Session[Message], lane: Lane, filter: str) -> None:
        qos, identifier, as_published = self._filters[lane, filter]
        self._broker.subscribe(
            session, filter, qos, self._broker.named(identifier), lane, as_published=as_published
        )

    def taken_over(self) -> None:
        """See `Client` of the core."""
        self.lose("another client took over the session")

    def deliver_soon(self) -> None:
        """Deliver in the next turn of the loop: a publish never runs a handler inside itself."""
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._deliver)

    def _deliver(self) -> None:
        self._scheduled = False
        session = self._session
        if session is None:
            return
        for lane in ("control", "intake"):
            waiting, may_wait = session.waiting[lane], lane == "intake"
            while waiting and self._session is session and not (may_wait and self._paused):
                self._hand_over(session, lane, waiting.popleft())

    def _hand_over(self, session: Session[Message], lane: Lane, queued: Queued[Message]) -> None:
        remaining = None
        if queued.due is not None:
            remaining = queued.due - self._broker.clock.monotonic()
            if remaining <= 0:
                return
        acknowledge: Callable[[], None] | None = None
        if queued.qos:
            session.next_id += 1
            session.unacked[session.next_id] = (lane, queued)
            acknowledge = partial(self._acknowledge, self._epoch, session.next_id)
        message = queued.message
        delivery = Delivery(
            message.topic,
            message.payload,
            queued.qos,
            queued.retain,
            queued.duplicate,
            meta_of(message, remaining, queued.identifiers),
            acknowledge,
        )
        assert self._receive is not None  # noqa: S101  # set by start(), before any delivery
        self._receive(delivery)

    def _acknowledge(self, epoch: int, packet: int) -> None:
        if epoch == self._epoch and self._session is not None:
            self._session.unacked.pop(packet, None)
