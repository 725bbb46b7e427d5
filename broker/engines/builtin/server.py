"""What the connections of a broker share: its sessions, wills that wait, and who may connect."""

from __future__ import annotations

import asyncio
import logging
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from dskity.broker.engines.builtin.timers import Timer, Timers
from dskity.broker.packets.connect import Connect, Will
from dskity.broker.packets.forwarded import Forwarded, may_publish, measure
from dskity.broker.users import Users
from dskity.bus.base import tasks
from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.base.text import escape
from dskity.bus.base.threads import blocking
from dskity.bus.base.throttled_log import Allowance, Pace
from dskity.bus.sessions.bounds import Bounds
from dskity.bus.sessions.core import BrokerCore
from dskity.bus.sessions.session import Client, Session

log = logging.getLogger(__name__)

LONGEST_SESSION = 14 * 86_400
"""Seconds that a session is kept without its client, whatever the client asks for."""
_AT_ONCE = 2  # passwords: each costs up to 100 ms of a CPU


@dataclass(frozen=True, slots=True)
class Rules:
    """Bounds of one broker; `docs/explanation/security.md` states them.

    `max_packet` is told to MQTT 5 clients; a CONNECT may have `max_connect` bytes and must come
    within `connect_within` seconds. `receive_maximum` is how many QoS 2 messages an MQTT 5 client
    may have under way; those of QoS 1 are acknowledged at once. `turn` is how many packets of a
    client are handled before others have theirs. `max_wills` are bytes of all wills that wait for
    their delay; above it a will is published at once.
    `max_filters_size` are bytes of the subscriptions of all clients.
    """

    max_packet: int = 16 * 1024 * 1024
    max_connect: int = 256 * 1024
    connect_within: float = 10.0
    max_aliases: int = 32
    receive_maximum: int = 1_000
    max_filters: int = 50_000
    max_filters_size: int = 512 * 1024 * 1024
    max_client_id: int = 1_024
    turn: int = 256
    max_wills: int = 64 * 1024 * 1024
    bounds: Bounds[Forwarded] = field(default_factory=lambda: Bounds(measure))


class Server:
    """The sessions in `core`, and what outlives a connection beside them. It opens nothing.

    `soon` calls something in the next turn of the event loop.
    """

    def __init__(
        self,
        soon: Callable[[Callable[[], None]], None],
        users: Users | None = None,
        *,
        rules: Rules | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.soon = soon
        self.rules = rules or Rules()
        self.clock = clock
        self.timers = Timers(clock)
        self.core: BrokerCore[Forwarded] = BrokerCore(
            clock, self.rules.bounds, self._dropped, self._unretained, self._ended
        )
        self.users = users
        self._allowance = Allowance(clock)
        self._drops = Pace(clock)
        self._retained_full = Pace(clock)
        self._checking = asyncio.Semaphore(_AT_ONCE)
        self.checks: set[asyncio.Task[bool]] = set()
        self._wills: dict[str, tuple[Will, Timer]] = {}
        self._wills_size = 0
        self._expiring: dict[str, Timer] = {}

    async def knows(self, connect: Connect) -> bool:
        """Whether the password of a CONNECT is right; nothing of the session is touched."""
        if self.users is None:
            return True
        try:
            password = None if connect.password is None else connect.password.decode()
        except UnicodeDecodeError:
            return False
        await self._checking.acquire()
        check = tasks.spawn(
            blocking(self.users.verify, connect.user, password), name="password", awaited=True
        )
        self.checks.add(check)
        check.add_done_callback(self._checked)
        # A client that goes meanwhile ends no thread: until it ends, it is one of those at once.
        return await asyncio.shield(check)

    def _checked(self, check: asyncio.Task[bool]) -> None:
        self.checks.discard(check)
        self._checking.release()

    def open(
        self, client_id: str, connect: Connect, client: Client
    ) -> tuple[Session[Forwarded], bool]:
        """The session of a client that may connect, and whether it was there."""
        session, resumed = self.core.open(client_id, client, clean=connect.clean)
        self.timers.cancel(self._expiring.pop(client_id, None))
        self._take_will(client_id)
        session.expiry = _expiry(connect)
        session.once = not connect.five
        return session, resumed

    def leave(self, session: Session[Forwarded], will: Will | None) -> None:
        """The connection of a session is gone; `will` is what is to be published for it."""
        client_id, expiry = session.client_id, session.expiry
        self.core.leave(session)
        if 0 < expiry < math.inf:
            self._expiring[client_id] = self.timers.after(expiry, partial(self.core.end, session))
        if will is None:
            return
        delay = min(will.delay, expiry)
        size = measure(will.message)
        if delay <= 0 or self._wills_size + size > self.rules.max_wills:
            self.publish_will(will)
        else:
            timer = self.timers.after(delay, partial(self._speak_for, client_id))
            self._wills[client_id] = will, timer
            self._wills_size += size

    def publish_will(self, will: Will) -> None:
        """Publish it now, unless a client may not publish there."""
        if may_publish(will.message.topic):
            self.core.publish(will.message)

    def _speak_for(self, client_id: str) -> None:
        will = self._take_will(client_id)
        if will is not None:
            self.publish_will(will)

    def _take_will(self, client_id: str) -> Will | None:
        """The will that waits for its delay; it waits no more."""
        will, timer = self._wills.pop(client_id, (None, None))
        self.timers.cancel(timer)
        if will is not None:
            self._wills_size -= measure(will.message)
        return will

    def _ended(self, session: Session[Forwarded]) -> None:
        """Keep nothing for a session that is gone; its end ends the delay of a will (3.1.3.2.2)."""
        self.timers.cancel(self._expiring.pop(session.client_id, None))
        self._speak_for(session.client_id)

    def complain(self, peer: str, fault: str) -> None:
        """Log why a client is cut off; 20 a minute, for a stranger can cause any number."""
        more = self._allowance.take()
        if more is not None:
            log.warning("the connection from %s is closed: %s%s", peer, escape(fault), more)

    def _unretained(self, message: Forwarded) -> None:
        if self._retained_full.is_due():
            log.warning(
                "a message to %s is not retained: %d are; %d refused so far",
                escape(message.topic),
                len(self.core.retained),
                self.core.retained.refused,
            )

    def _dropped(self, session: Session[Forwarded]) -> None:
        if self._drops.is_due(session.client_id):
            log.warning(
                "messages for client %s are dropped: %d wait for it, %d bytes; %d so far",
                escape(session.client_id),
                session.backlog,
                session.size,
                session.dropped,
            )


def _expiry(connect: Connect) -> float:
    """Seconds that the session outlives its connection."""
    if not connect.five:
        return 0 if connect.clean else LONGEST_SESSION
    return min(connect.session_expiry or 0, LONGEST_SESSION)


def new_client_id() -> str:
    """For a client that has none ([MQTT-3.1.3-6])."""
    return f"auto-{os.urandom(12).hex()}"
