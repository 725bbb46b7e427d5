"""Keeps one wire alive: connects for ever, and puts the subscriptions in place."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import Protocol

from dskity.broker.backoff import Backoff
from dskity.broker.dialect import Dialect
from dskity.broker.identity import Identity
from dskity.broker.nodes import Nodes
from dskity.broker.reasons import BAD_CREDENTIALS, reason_text
from dskity.broker.settings import ConnectionSettings
from dskity.broker.subscriptions import Held, Subscription, Subscriptions
from dskity.broker.url import BrokerUrl
from dskity.broker.wire import Opening, Welcome, Wire, WireFactory
from dskity.bus.clock import Clock
from dskity.bus.complaints import Complaints
from dskity.bus.errors import BrokerRefused, InvalidSettings, NotConnected
from dskity.bus.transport import Capabilities, Lane, Receiver

log = logging.getLogger("dskity.mqtt")

# A connection lost sooner counts as a failed attempt: two clients of one client id, who throw each
# other out, then do it ever more slowly.
LASTED = 5.0
AT_ONCE = 100  # SUBSCRIBE packets on their way: thousands of routes take few round trips


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

    `up` is the wire while it is connected with all subscriptions in place, and None else; `node` is
    where that is, or was. `missed` is where it could not follow the other lane to.
    """

    def __init__(
        self,
        identity: Identity,
        nodes: Nodes,
        subscriptions: Subscriptions,
        make_wire: WireFactory,
        receive: Receiver,
        owner: Owner,
        complaints: Mapping[BrokerUrl, Complaints],
        clock: Clock,
    ) -> None:
        self.up: Wire | None = None
        self.resumed = False
        self.node: ConnectionSettings | None = None
        self.missed: ConnectionSettings | None = None
        self._identity = identity
        self._nodes = nodes
        self._subscriptions = subscriptions
        self._make_wire = make_wire
        self._receive = receive
        self._owner = owner
        self._complaints = complaints
        self._clock = clock
        self._dialects = {node.address: Dialect(node.protocol) for node in nodes.round()}
        self._backoff = Backoff(clock)
        self._held = Held()
        self._wire: Wire | None = None
        self._leave: asyncio.Timeout | None = None
        self._following = False
        self._paused = False
        self._closing = False

    async def run(self) -> None:
        """Connect, live, and begin again, until cancelled; the last wire is closed cleanly.

        All nodes are tried before it waits: while one is away, another one may be there.
        """
        while not self._closing:
            hopeless = True
            for node in self._nodes.round():
                error = await self._visit(node)
                if error is None or self._closing:
                    break
                hopeless &= (
                    isinstance(error, BrokerRefused) and error.reason_code in BAD_CREDENTIALS
                )
            else:
                backoff = self._backoff
                await self._clock.sleep(backoff.long_delay() if hopeless else backoff.delay())

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

    def follow(self) -> None:
        """Leave the node for the one where the other lane is."""
        if self._leave is not None and not self._following:
            self._following = True
            self._leave.reschedule(0)

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

    async def _visit(self, node: ConnectionSettings) -> Exception | None:
        """Be connected to a node for as long as it lasts; the error where it never came to that."""
        try:
            opening, welcome, wire = await self._open(node)
            self._wire = wire
            started = self._clock.monotonic()
            reason = await self._live(opening, welcome, wire)
        except (BrokerRefused, NotConnected, InvalidSettings) as error:
            self._complain(node, error)
            return error
        if self._closing:
            return None
        self._owner.changed(reason)
        if self._clock.monotonic() - started >= LASTED:
            self._backoff.reset()
        if not self._following:
            await self._clock.sleep(self._backoff.delay())
        return None

    async def _open(self, node: ConnectionSettings) -> tuple[Opening, Welcome, Wire]:
        dialect = self._dialects[node.address]
        while True:
            opening = await self._identity.opening(
                node, dialect.version, before=self.node is not None
            )
            wire = self._make_wire(opening, self._receive, self._wire)
            try:
                return opening, await wire.open(), wire
            except (BrokerRefused, NotConnected) as error:
                if self._closing or not dialect.refused(error):
                    raise

    def _complain(self, node: ConnectionSettings, error: Exception) -> None:
        if isinstance(error, BrokerRefused) and error.reason_code in BAD_CREDENTIALS:
            reason = _about_credentials(node, error.reason_code)
        else:
            reason = f"{error}; trying {'the next one' if self._nodes.several else 'again'}"
        self._complaints[node.address].warn(reason)
        self._owner.trouble(reason)

    async def _live(self, opening: Opening, welcome: Welcome, wire: Wire) -> str:
        """From CONNACK to the end of the connection; returns why it ended, or raises `NotConnected`
        where the subscriptions were not in place before that."""
        try:
            await self._begin(opening, welcome, wire)
            if self._closing:
                return "closing"
            self.up = wire
            self._arrived(opening.settings)
            return await self._stay(wire)
        except NotConnected as error:
            raise NotConnected(f"{opening.settings.address}: {error}") from error
        finally:
            self.up = None
            await wire.close()

    async def _stay(self, wire: Wire) -> str:
        try:
            async with asyncio.timeout(None) as self._leave:
                self._owner.changed("")
                return await wire.lost()
        except TimeoutError:  # `follow` has set the time
            return f"moving to {self._nodes.current.address}"
        finally:
            self._leave = None

    def _arrived(self, node: ConnectionSettings) -> None:
        self._complaints[node.address].settle()
        current = self._nodes.current
        if self._following and node is not current:
            self.missed = current
        else:
            self._nodes.current = node
        self._following = False

    async def _begin(self, opening: Opening, welcome: Welcome, wire: Wire) -> None:
        node = opening.settings
        self._dialects[node.address].accepted()
        self.resumed = welcome.resumed
        self._held.begin(resumed=welcome.resumed, elsewhere=node is not self.node)
        self.node = node
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


def _about_credentials(node: ConnectionSettings, code: int) -> str:
    who = "a client without a user name" if node.user is None else f"the user {node.user!r}"
    return (
        f"{node.address} does not let {who} in: {reason_text(code)}; "
        "check common.mqtt.username and common.mqtt.password"
    )
