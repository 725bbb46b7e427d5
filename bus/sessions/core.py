"""Who gets which message: MQTT's rules for sessions, subscriptions and what is retained.

It has no wire and no event loop. A message that waits for a client is in its session's `waiting`;
the client is told (`deliver_soon`) and takes it when it can.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic

from dskity.bus import topics
from dskity.bus.base.clock import Clock
from dskity.bus.routing.router import Router
from dskity.bus.sessions.bounds import Bounds, Meter
from dskity.bus.sessions.groups import Groups
from dskity.bus.sessions.retained import Retained
from dskity.bus.sessions.session import Client, M, Queued, Session, Subscription
from dskity.bus.transport import Lane

_SUBSCRIPTION, _LEVEL = 600, 400  # bytes


class BrokerCore(Generic[M]):
    """`sessions` are all by client id. Without `bounds` everything is kept; with them `on_drop` is
    told of a session that loses a message, and `on_unretained` of one that is not retained.
    `on_end` is told of each session that has ended, whatever ended it."""

    def __init__(
        self,
        clock: Clock,
        bounds: Bounds[M] | None = None,
        on_drop: Callable[[Session[M]], None] = lambda _: None,
        on_unretained: Callable[[M], None] = lambda _: None,
        on_end: Callable[[Session[M]], None] = lambda _: None,
    ) -> None:
        self.clock = clock
        self.sessions: dict[str, Session[M]] = {}
        self.retained: Retained[M] = Retained(clock, bounds)
        self.meter = None if bounds is None else Meter(bounds, on_drop)
        self._bounds = bounds
        self._on_unretained = on_unretained
        self._on_end = on_end
        self._subs: Router[Subscription[M]] = Router()
        self._groups: Groups[M] = Groups()
        self.filters_size = 0  # characters of all filters, and what their levels take
        self._away: dict[str, None] = {}  # client ids, the one longest away first

    def publish(self, message: M, origin: Session[M] | None = None) -> bool:
        """Take a message from a client, whose session is `origin`; whether it is for anybody."""
        due = None if message.expires_in is None else self.clock.monotonic() + message.expires_in
        if message.retain and not self.retained.put(message, due):
            self._on_unretained(message)
        found = self._subs.find(message.topic)
        if len(found) == 1 and not found[0][0].no_local:  # nearly always
            sub = found[0][0]
            qos = message.qos and min(message.qos, sub.qos)
            self._keep(message, sub, qos, sub.as_published, sub.identifiers, due)
            return True
        return self._share_out(message, [sub for sub, _ in found], due, origin)

    def _share_out(
        self,
        message: M,
        subs: list[Subscription[M]],
        due: float | None,
        origin: Session[M] | None,
    ) -> bool:
        """Once to each session, and once to each shared group."""
        plain: dict[tuple[int, Lane], list[Subscription[M]]] = {}
        shared: dict[tuple[str, str], list[Subscription[M]]] = {}
        for sub in subs:
            if sub.group is not None:
                shared.setdefault((sub.group, sub.pattern.filter), []).append(sub)
            elif not (sub.no_local and sub.session is origin):  # [MQTT-3.8.3-3]
                plain.setdefault((id(sub.session), sub.lane), []).append(sub)
        for several in plain.values():
            self._queue(message, several, due)
        served = {session for session, _ in plain}
        for key, members in shared.items():
            member = self._groups.next(key, members)
            if not (member.session.once and id(member.session) in served):
                self._queue(message, [member], due)
                served.add(id(member.session))
        return bool(plain or shared)

    def _queue(
        self, message: M, subs: list[Subscription[M]], due: float | None, *, retain: bool = False
    ) -> None:
        qos = min(message.qos, max([sub.qos for sub in subs]))
        ids = tuple([one for sub in subs for one in sub.identifiers])
        as_published = any(sub.as_published for sub in subs)
        self._keep(message, subs[0], qos, as_published, ids, due, retain=retain)

    def _keep(
        self,
        message: M,
        sub: Subscription[M],
        qos: int,
        as_published: bool,
        identifiers: tuple[int, ...],
        due: float | None,
        *,
        retain: bool = False,
    ) -> None:
        """Until the session's client takes it; QoS 0 for one that is away is not kept."""
        session = sub.session
        client = session.client
        if client is None and qos == 0:
            return
        size = 0
        if self.meter is not None:
            size = self.meter.takes(session, message)
            if not size:
                return
        retain = retain or (message.retain and as_published)
        session.waiting[sub.lane].append(Queued(message, qos, retain, identifiers, due, size))
        if client is not None:
            client.deliver_soon()

    def settle(self, session: Session[M], queued: Queued[M]) -> None:
        """The message waits no more."""
        if self.meter is not None:
            self.meter.release(session, queued)

    def open(
        self, client_id: str, client: Client, *, clean: bool = False
    ) -> tuple[Session[M], bool]:
        """The session of a client that connects, and whether it was there ([MQTT-3.2.2-2])."""
        kept = self.sessions.get(client_id)
        if kept is not None and kept.client is not None:
            kept.client.taken_over()
            kept = self.sessions.get(client_id)  # it may have ended with its connection
        if kept is not None and clean:
            self.end(kept)
            kept = None
        session = kept or self._new(client_id)
        self._away.pop(client_id, None)
        session.client = client
        session.send_again()
        return session, kept is not None

    def _new(self, client_id: str) -> Session[M]:
        if self._bounds is not None and len(self._away) >= self._bounds.sessions:
            self.end(self.sessions[next(iter(self._away))])
        session = self.sessions[client_id] = Session[M](client_id)
        return session

    def leave(self, session: Session[M]) -> None:
        """The connection is gone; the session stays, unless it expires with it."""
        session.client = None
        if session.expiry <= 0:
            self.end(session)
            return
        self._away[session.client_id] = None
        for waiting in session.waiting.values():  # of QoS 0 nothing is kept for who is away
            kept = [queued for queued in waiting if queued.qos]
            for queued in waiting:
                if not queued.qos:
                    self.settle(session, queued)
            waiting.clear()
            waiting.extend(kept)

    def end(self, session: Session[M]) -> None:
        """Forget a session, with its subscriptions and all that waits in it."""
        known = self.sessions.get(session.client_id) is session
        if known:
            del self.sessions[session.client_id]
            self._away.pop(session.client_id, None)
        for lane, filter in tuple(session.subs):
            self.unsubscribe(session, filter, lane)
        if self.meter is not None:
            self.meter.forget(session)
        for waiting in session.waiting.values():
            waiting.clear()
        session.unacked.clear()
        if known:
            self._on_end(session)

    def subscribe(
        self,
        session: Session[M],
        filter: str,
        qos: int,
        identifiers: tuple[int, ...] = (),
        lane: Lane = "intake",
        *,
        as_published: bool = False,
        no_local: bool = False,
        retained: bool = True,
    ) -> None:
        """Add or replace a subscription, and, with `retained`, send what is retained for it."""
        self.unsubscribe(session, filter, lane)
        group, plain = topics.split_share(filter)
        pattern = topics.Pattern(plain, plain, tuple(plain.split("/")))
        sub = Subscription(session, pattern, group, qos, identifiers, lane, as_published, no_local)
        session.subs[lane, filter] = sub
        self._subs.add(pattern, sub)
        self.filters_size += _size(sub)
        self._groups.join(sub)
        if retained and group is None:  # nothing retained for shared subscriptions (spec 4.8.2)
            for message, due in tuple(self.retained.matching(plain)):
                self._queue(message, [sub], due, retain=True)

    def unsubscribe(self, session: Session[M], filter: str, lane: Lane = "intake") -> bool:
        """Remove a subscription; whether it was there."""
        sub = session.subs.pop((lane, filter), None)
        if sub is None:
            return False
        self._subs.remove(sub.pattern, sub)
        self.filters_size -= _size(sub)
        self._groups.leave(sub)
        return True


def _size(sub: Subscription[M]) -> int:
    """About how many bytes a subscription takes: its objects, its filter twice (whole and in
    levels), and a node of the router for each level, which measures 400 bytes."""
    group = len(sub.group or "")
    return _SUBSCRIPTION + group + 2 * len(sub.pattern.filter) + _LEVEL * len(sub.pattern.levels)
