"""A broker and its transport in this process, with MQTT's rules: a back-end, and the test double.

`MemoryBroker` keeps sessions, subscriptions, retained messages, shared groups and what is not yet
acknowledged; `MemoryTransport` is one client. Both pass the contract suite of the real ones. A
session outlives its connection, so a client that comes back gets what it missed, in order, and
what it had not acknowledged again with the duplicate flag.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial

from dskity.bus import topics
from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.delivery import Delivery, Meta
from dskity.bus.errors import NotConnected, TooLarge
from dskity.bus.message import Message
from dskity.bus.routing.router import Router
from dskity.bus.transport import Capabilities, Lane, Receiver, TransportEvents, no_groups, no_qos

CAPABILITIES = Capabilities(
    protocol="memory",
    headers=True,
    expiry=True,
    reports_no_match=True,
    shared=True,
    overlap="identified",
)


@dataclass(slots=True, eq=False)
class _Sub:
    session: _Session
    pattern: topics.Pattern
    group: str | None
    qos: int
    identifier: int
    lane: Lane
    as_published: bool
    identifiers: tuple[int, ...]
    """What a copy for this subscription alone names."""

    @property
    def terms(self) -> tuple[int, int, bool]:
        return self.qos, self.identifier, self.as_published


@dataclass(slots=True, eq=False)
class _Queued:
    """A message on its way to one session; `due` is when it expires, or None."""

    message: Message
    qos: int
    retain: bool
    identifiers: tuple[int, ...]
    due: float | None
    duplicate: bool = False


@dataclass(slots=True, eq=False)
class _Session:
    """What the broker keeps of one client id, connected or not."""

    client_id: str
    subs: dict[tuple[Lane, str], _Sub] = field(default_factory=dict)
    waiting: dict[Lane, deque[_Queued]] = field(
        default_factory=lambda: {"intake": deque(), "control": deque()}
    )
    unacked: dict[int, tuple[Lane, _Queued]] = field(default_factory=dict)
    next_id: int = 0
    client: MemoryTransport | None = None


class MemoryBroker:
    """A broker without a network. `stop()` and `start()` make it absent and present."""

    def __init__(
        self,
        *,
        clock: Clock = SYSTEM_CLOCK,
        capabilities: Capabilities = CAPABILITIES,
    ) -> None:
        self.clock = clock
        self.capabilities = capabilities
        self.running = True
        self._identifies = capabilities.overlap == "identified"
        self._sessions: dict[str, _Session] = {}
        self._subs: Router[_Sub] = Router()
        self._retained: dict[str, tuple[Message, float | None]] = {}
        self._locks: dict[tuple[str, str], int] = {}
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

    def publish(self, message: Message) -> bool:
        """Take a message from a client; whether anybody is subscribed."""
        due = None if message.expires_in is None else self.clock.monotonic() + message.expires_in
        if message.retain:
            self._retain(message, due)
        found = self._subs.find(message.topic)
        if len(found) == 1:  # nearly always
            sub = found[0][0]
            qos = message.qos and min(message.qos, sub.qos)
            self._keep(message, sub, qos, sub.as_published, sub.identifiers, due)
            return True
        plain: dict[tuple[int, Lane], list[_Sub]] = {}
        shared: dict[tuple[str, str], list[_Sub]] = {}
        for sub, _ in found:
            if sub.group is None:
                plain.setdefault((id(sub.session), sub.lane), []).append(sub)
            else:
                shared.setdefault((sub.group, sub.pattern.filter), []).append(sub)
        for subs in plain.values():
            self._queue(message, subs, due)
        for key, subs in shared.items():
            self._queue(message, [self._turn(key, subs)], due)
        return bool(found)

    def _turn(self, key: tuple[str, str], subs: list[_Sub]) -> _Sub:
        """The next member of a shared group, connected ones first."""
        live = [sub for sub in subs if sub.session.client is not None] or subs
        turn = self._locks.get(key, 0)
        self._locks[key] = turn + 1
        return live[turn % len(live)]

    def _queue(
        self, message: Message, subs: list[_Sub], due: float | None, *, retain: bool = False
    ) -> None:
        qos = min(message.qos, max([sub.qos for sub in subs]))
        ids = tuple([sub.identifier for sub in subs]) if self._identifies else ()
        as_published = any(sub.as_published for sub in subs)
        self._keep(message, subs[0], qos, as_published, ids, due, retain=retain)

    def _keep(
        self,
        message: Message,
        sub: _Sub,
        qos: int,
        as_published: bool,
        identifiers: tuple[int, ...],
        due: float | None,
        *,
        retain: bool = False,
    ) -> None:
        """Until the session's client takes it; QoS 0 for one that is away is not kept."""
        client = sub.session.client
        if client is None and qos == 0:
            return
        retain = retain or (message.retain and as_published)
        sub.session.waiting[sub.lane].append(_Queued(message, qos, retain, identifiers, due))
        if client is not None:
            client.deliver_soon()

    def _retain(self, message: Message, due: float | None) -> None:
        if message.payload:
            self._retained[message.topic] = (message, due)
        else:
            self._retained.pop(message.topic, None)

    def attach(self, client: MemoryTransport) -> None:
        """Remember a client, so that `start()` can reconnect it."""
        if client not in self._clients:
            self._clients.append(client)

    def detach(self, client: MemoryTransport) -> None:
        """Forget a client that closed for good; its session stays."""
        if client in self._clients:
            self._clients.remove(client)

    def open_session(self, client: MemoryTransport) -> tuple[_Session, bool]:
        """The session of a client that connects, and whether it was there ([MQTT-3.2.2-2])."""
        resumed = client.client_id in self._sessions
        session = self._sessions.setdefault(client.client_id, _Session(client.client_id))
        if session.client is not None:
            session.client.lose("another client took over the session")  # [MQTT-3.1.4-3]
        session.client = client
        again = sorted(session.unacked.items(), reverse=True)
        session.unacked.clear()
        for _, (lane, queued) in again:
            queued.duplicate = True
            session.waiting[lane].appendleft(queued)
        return session, resumed

    def subscribe(
        self,
        session: _Session,
        filter: str,
        qos: int,
        identifier: int,
        lane: Lane,
        as_published: bool = False,
    ) -> None:
        """Add or replace a subscription, and send what is retained for it."""
        self.unsubscribe(session, filter, lane)
        group, plain = topics.split_share(filter)
        pattern = topics.Pattern(plain, plain, tuple(plain.split("/")))
        ids = (identifier,) if self._identifies else ()
        sub = _Sub(session, pattern, group, qos, identifier, lane, as_published, ids)
        session.subs[lane, filter] = sub
        self._subs.add(pattern, sub)
        if group is None:  # nothing retained for shared subscriptions (spec 4.8.2)
            for topic, (message, due) in tuple(self._retained.items()):
                if topics.matches(plain, topic):
                    self._queue(message, [sub], due, retain=True)

    def unsubscribe(self, session: _Session, filter: str, lane: Lane) -> None:
        """Remove a subscription, if it is there."""
        sub = session.subs.pop((lane, filter), None)
        if sub is not None:
            self._subs.remove(sub.pattern, sub)


class MemoryTransport:
    """One client of a `MemoryBroker`; see `Transport`."""

    def __init__(
        self, broker: MemoryBroker, client_id: str = "memory", will: Message | None = None
    ) -> None:
        self._broker = broker
        self._client_id = client_id
        self._will = will
        self._filters: dict[tuple[Lane, str], tuple[int, int, bool]] = {}
        self._session: _Session | None = None
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
            self._broker.subscribe(self._session, filter, qos, identifier, lane, as_published)

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
        self.lose("the connection was cut")
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
        self._session, resumed = self._broker.open_session(self)
        for (lane, filter), wanted in self._filters.items():
            known = self._session.subs.get((lane, filter))
            if known is None or known.terms != wanted:
                qos, identifier, as_published = wanted
                self._broker.subscribe(self._session, filter, qos, identifier, lane, as_published)
        if self._events is not None:
            self._events.connected(self._broker.capabilities, resumed=resumed)
        self.deliver_soon()

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

    def _hand_over(self, session: _Session, lane: Lane, queued: _Queued) -> None:
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
            _meta(message, queued.identifiers, remaining),
            acknowledge,
        )
        assert self._receive is not None  # noqa: S101  # set by start(), before any delivery
        self._receive(delivery)

    def _acknowledge(self, epoch: int, packet: int) -> None:
        if epoch == self._epoch and self._session is not None:
            self._session.unacked.pop(packet, None)


@lru_cache(maxsize=4096)
def _bare(identifiers: tuple[int, ...]) -> Meta:
    return Meta(subscriptions=identifiers)


def _meta(message: Message, identifiers: tuple[int, ...], remaining: float | None) -> Meta:
    plain = message.content_type is None and message.reply_to is None
    if plain and remaining is None and not message.headers and message.correlation is None:
        return _bare(identifiers)
    return Meta(
        message.content_type,
        message.headers,
        message.reply_to,
        message.correlation,
        remaining,
        identifiers,
    )
