"""Keeps one wire alive: connects for ever, and puts the subscriptions in place."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import Protocol

from dskity.broker.backoff import Backoff
from dskity.broker.dialect import Dialect
from dskity.broker.reasons import BAD_CREDENTIALS, reason_text
from dskity.broker.settings import ConnectionSettings
from dskity.broker.subscriptions import Held, Subscription, Subscriptions
from dskity.broker.tls import client_context
from dskity.broker.wire import Opening, Welcome, Wire, WireFactory
from dskity.bus.clock import Clock
from dskity.bus.complaints import Complaints
from dskity.bus.errors import BrokerRefused, InvalidSettings, NotConnected
from dskity.bus.message import Message
from dskity.bus.transport import Capabilities, Lane, Receiver

log = logging.getLogger("dskity.mqtt")

# A connection lost sooner counts as a failed attempt: two clients of one client id, who throw each
# other out, then do it ever more slowly.
LASTED = 5.0
AT_ONCE = 100  # SUBSCRIBE packets on their way: thousands of routes take few round trips


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a lane is for the broker. `resumes`: it wants the session of an earlier process."""

    lane: Lane
    client_id: str
    resumes: bool
    session_expiry: int
    will: Message | None = None


class Owner(Protocol):
    """The transport, as its connections see it."""

    async def learn(self, opening: Opening, welcome: Welcome) -> Capabilities:
        """What the broker can do, by its CONNACK and by trial."""
        ...

    def receiver(self, lane: Lane, capabilities: Capabilities) -> Receiver:
        """Where the messages of a lane go, on a broker that can do this."""
        ...

    def trouble(self, reason: str) -> None:
        """An attempt to connect has failed for this reason."""
        ...

    def changed(self, reason: str) -> None:
        """A connection came up, or went down for this reason."""
        ...


class Connection:
    """The connection of one lane. `run` is its task and ends only by cancellation.

    `up` is the wire while it is connected with all subscriptions in place, and None else.
    """

    def __init__(
        self,
        identity: Identity,
        settings: ConnectionSettings,
        subscriptions: Subscriptions,
        make_wire: WireFactory,
        receive: Receiver,
        owner: Owner,
        complaints: Complaints,
        clock: Clock,
    ) -> None:
        self.up: Wire | None = None
        self.resumed = False
        self._identity = identity
        self._settings = settings
        self._subscriptions = subscriptions
        self._make_wire = make_wire
        self._receive = receive
        self._owner = owner
        self._complaints = complaints
        self._clock = clock
        self._dialect = Dialect(settings.protocol)
        self._backoff = Backoff(clock)
        self._held = Held()
        self._wire: Wire | None = None
        self._connected_before = False
        self._paused = False
        self._closing = False

    async def run(self) -> None:
        """Connect, live, and begin again, until cancelled; the last wire is closed cleanly."""
        while not self._closing:
            opening = await self._opening()
            wire = self._make_wire(opening, self._receive, self._wire)
            try:
                welcome = await wire.open()
            except (BrokerRefused, NotConnected) as error:
                await self._wait_after(error)
                continue
            self._wire = wire
            started = self._clock.monotonic()
            reason = await self._live(opening, welcome, wire)
            if self._closing:
                return
            self._owner.changed(reason)
            if self._clock.monotonic() - started >= LASTED:
                self._backoff.reset()
            await self._clock.sleep(self._backoff.delay())

    def close(self) -> None:
        """Begin no more. Call it before cancelling `run`: both wire libraries use `wait_for`, which
        before Python 3.12 may swallow a cancellation."""
        self._closing = True

    async def place(self, subscription: Subscription) -> None:
        """Subscribe now if connected; if not, or if the connection breaks, it is done later."""
        if self.up is not None:
            with contextlib.suppress(NotConnected):
                await self._subscribe(self.up, subscription)

    async def drop(self, filter: str) -> None:
        """Unsubscribe now if connected; if not, when a session that has the filter is resumed."""
        if self.up is not None:
            with contextlib.suppress(NotConnected):
                await self._unsubscribe(self.up, filter)

    def pause(self) -> None:
        """Stop reading, on this wire and on those to come."""
        self._paused = True
        if self._wire is not None:
            self._wire.pause()

    def resume(self) -> None:
        """Read again."""
        self._paused = False
        if self._wire is not None:
            self._wire.resume()

    async def _opening(self) -> Opening:
        identity, version = self._identity, self._dialect.version
        # A session that is not wanted from an earlier process still bridges a reconnect of this
        # one; 3.1.1 cannot say so, there a clean session also ends with its connection.
        clean = not identity.resumes and (version == 4 or not self._connected_before)  # noqa: PLR2004
        tls = self._settings.tls if self._settings.address.tls else None
        while True:
            try:
                context = None if tls is None else await asyncio.to_thread(client_context, tls)
            except InvalidSettings as error:  # the files changed under us and may become good again
                await self._wait_after(error)
            else:
                break
        return Opening(
            self._settings, identity.client_id, version, clean, identity.session_expiry,
            identity.will, context,
        )  # fmt: skip

    async def _wait_after(self, error: Exception) -> None:
        if self._dialect.refused(error):
            return
        if isinstance(error, BrokerRefused) and error.reason_code in BAD_CREDENTIALS:
            self._complain(self._about_credentials(error.reason_code))
            await self._clock.sleep(self._backoff.long_delay())
        else:
            self._complain(f"{error}; trying again")
            await self._clock.sleep(self._backoff.delay())

    def _complain(self, reason: str) -> None:
        self._complaints.warn(reason)
        self._owner.trouble(reason)

    def _about_credentials(self, code: int) -> str:
        user = self._settings.user
        who = "a client without a user name" if user is None else f"the user {user!r}"
        return (
            f"{self._settings.address} does not let {who} in: {reason_text(code)}; "
            "check common.mqtt.username and common.mqtt.password"
        )

    async def _live(self, opening: Opening, welcome: Welcome, wire: Wire) -> str:
        """From CONNACK to the end of the connection; returns why it ended."""
        try:
            await self._begin(opening, welcome, wire)
            if self._closing:
                return "closing"
            self.up = wire
            self._owner.changed("")
            return await wire.lost()
        except NotConnected as error:
            return str(error)
        finally:
            self.up = None
            await wire.close()

    async def _begin(self, opening: Opening, welcome: Welcome, wire: Wire) -> None:
        self._dialect.accepted()
        self._connected_before = True
        self._complaints.settle()
        self.resumed = welcome.resumed
        self._held.begin(resumed=welcome.resumed)
        if self._paused:
            wire.pause()
        capabilities = await self._owner.learn(opening, welcome)
        wire.receive = self._owner.receiver(self._identity.lane, capabilities)
        await self._settle(wire, capabilities)

    async def _settle(self, wire: Wire, capabilities: Capabilities) -> None:
        """Make the broker's session what is wanted, also what is added while this goes on."""
        refused: set[Subscription] = set()
        while True:
            wanted = self._subscriptions.of(self._identity.lane)
            for filter in self._held.surplus(wanted):
                await self._unsubscribe(wire, filter)
            missing = [entry for entry in self._held.missing(wanted) if entry not in refused]
            if not missing:
                return
            async with asyncio.TaskGroup() as group:
                for entry in missing[:AT_ONCE]:
                    group.create_task(
                        self._try_subscribe(wire, entry, capabilities, refused),
                        name=f"subscribe {entry.filter}",
                    )
            left = [entry for entry in self._held.missing(missing[:1]) if entry not in refused]
            if left:
                raise NotConnected("the connection was lost while subscribing")

    async def _try_subscribe(
        self, wire: Wire, entry: Subscription, can: Capabilities, refused: set[Subscription]
    ) -> None:
        if entry.shared and not can.shared:
            refused.add(entry)
            log.warning("%s: this broker has no shared subscriptions", entry.filter)
            return
        try:
            await self._subscribe(wire, entry)
        except BrokerRefused as error:
            refused.add(entry)
            log.error("%s", error)  # noqa: TRY400  # the broker's answer is no fault of this code
        except NotConnected:
            pass  # `_settle` sees that it is missing

    async def _subscribe(self, wire: Wire, subscription: Subscription) -> None:
        await wire.subscribe(
            subscription.filter,
            subscription.qos,
            subscription.identifier,
            as_published=subscription.as_published,
        )
        self._held.put(subscription)

    async def _unsubscribe(self, wire: Wire, filter: str) -> None:
        await wire.unsubscribe(filter)
        self._held.drop(filter)
