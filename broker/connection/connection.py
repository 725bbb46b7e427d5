"""Keeps one wire alive: connects for ever, and puts the subscriptions in place."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import Protocol

from dskity.broker.backoff import Backoff
from dskity.broker.connection.client_id_conflict import LASTED, ClientIdConflict
from dskity.broker.connection.identity import Identity
from dskity.broker.connection.nodes import Nodes
from dskity.broker.connection.placement import Placement
from dskity.broker.connection.retained import Asked
from dskity.broker.connection.subscriptions import Subscription, Subscriptions
from dskity.broker.connection.version_negotiator import VersionNegotiator
from dskity.broker.patience import INTERVALS, run_out
from dskity.broker.reasons import BAD_CREDENTIALS, reason_text
from dskity.broker.settings import ConnectionSettings
from dskity.broker.url import BrokerUrl
from dskity.broker.wire import ConnectRequest, ConnectResult, TakenOver, Wire, WireFactory
from dskity.bus.base import tasks
from dskity.bus.base.clock import Clock
from dskity.bus.base.throttled_log import ThrottledLog
from dskity.bus.delivery import Delivery
from dskity.bus.errors import BrokerRefused, InvalidSettings, NotConnected
from dskity.bus.transport import Capabilities, Lane, Receiver

log = logging.getLogger("dskity.mqtt")

ASK_AGAIN = 10.0  # seconds until a subscription that was refused is tried once more


class Owner(Protocol):
    """The transport, as its connections see it."""

    async def learn(
        self, opening: ConnectRequest, welcome: ConnectResult, wire: Wire
    ) -> Capabilities:
        """What the broker can do, by its CONNACK and by trial; `wire` is open."""
        ...

    def receiver(self, lane: Lane, capabilities: Capabilities, asked: Asked) -> Receiver:
        """Where the messages of a lane go, on a broker that can do this; `asked` are the SUBSCRIBE
        packets of the connection."""
        ...

    def trouble(self, reason: str) -> None:
        """An attempt to connect has failed for this reason."""
        ...

    def changed(self, reason: str) -> None:
        """A connection came up, or went down for this reason."""
        ...


class LaneConnection:
    """The connection of one lane. `run` is its task, and may be run again after an error of it.

    `up` is the wire while it is connected with all subscriptions in place, and None else; `node` is
    where that is, or was. `missed` is where it could not follow the other lane to. `reason` is why
    the last attempt failed, until one succeeds. `gave_up` is the last wire that was closed because
    the broker did not acknowledge.
    """

    def __init__(
        self,
        identity: Identity,
        nodes: Nodes,
        subscriptions: Subscriptions,
        make_wire: WireFactory,
        receive: Receiver,
        owner: Owner,
        throttled: Mapping[BrokerUrl, ThrottledLog],
        rivals: ClientIdConflict,
        clock: Clock,
    ) -> None:
        self.up: Wire | None = None
        self.resumed = False
        self.node: ConnectionSettings | None = None
        self.missed: ConnectionSettings | None = None
        self.reason = ""
        self.gave_up: Wire | None = None
        self._identity = identity
        self._nodes = nodes
        self._make_wire = make_wire
        self._receive = receive
        self._owner = owner
        self._throttled = throttled
        self._conflicts = rivals
        self._clock = clock
        self._negotiators = {
            node.address: VersionNegotiator(node.protocol) for node in nodes.round()
        }
        self._backoff = Backoff(clock)
        self._placement = Placement(subscriptions, identity.lane)
        self._wire: Wire | None = None
        self._leave: asyncio.Timeout | None = None
        self._following = False
        self._again = False
        self._renewing = False
        self._live_wire: Wire | None = None
        self._newest: Wire | None = None
        self._ending: asyncio.Task[None] | None = None
        self._paused = False
        self._closing = False

    async def run(self) -> None:
        """Connect, live, and begin again, until cancelled; the last wire is closed cleanly.

        All nodes are tried before it waits: while one is away, another one may be there.
        """
        while not self._closing:
            hopeless = True
            for node in self._nodes.round():
                try:
                    error = await self._visit(node)
                except BaseException as unforeseen:
                    self._fell(node, unforeseen)
                    raise
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
                await self._placement.place(self.up, subscription)

    async def drop(self, filter: str) -> None:
        """Unsubscribe now if connected; if not, when a session that has the filter is resumed."""
        if self.up is not None:
            with contextlib.suppress(NotConnected):
                await self._placement.drop(self.up, filter)

    def follow(self) -> None:
        """Leave the node for the one where the other lane is."""
        if self._leave is not None and not self._following:
            self._following = True
            self._leave.reschedule(0)

    def renew(self) -> None:
        """Hand on nothing more of this wire, close it, and connect again; all that we want is
        subscribed to again then, for what is retained comes with a subscription only."""
        log.info("more messages came than can be held here: the broker is to send them again")
        self._again = True
        if self._newest is not None:
            self._newest.receive = _nobody
        if self._live_wire is not None:
            self._ending = tasks.spawn(
                self._live_wire.close(), name=f"mqtt {self._identity.lane} renews", awaited=True
            )

    def pause(self) -> None:
        """Stop reading, on this wire and on those to come, once their subscriptions are in place:
        before that they are read all the same, for SUBACK may come behind messages."""
        self._paused = True
        if self.up is not None:
            self.up.pause()

    def resume(self) -> None:
        """Read again."""
        self._paused = False
        if self._wire is not None:
            self._wire.resume()

    def _fell(self, node: ConnectionSettings, error: BaseException) -> None:
        """Say why there is no connection. The next attempt is at the next node, if there is one."""
        if self._closing:
            return
        reason = f"{node.address}: unforeseen {error!r}; trying again"
        self.reason = reason
        self._nodes.pass_over(node)
        self._owner.changed(reason)
        self._owner.trouble(reason)

    async def _visit(self, node: ConnectionSettings) -> Exception | None:
        """Be connected to a node for as long as it lasts; the error where it never came to that."""
        await self._conflicts.peace()
        try:
            opening, welcome, wire = await self._open(node)
            if self._identity.lane == "control" and self._conflicts.suspected:
                await wire.close()
                if await self._conflicts.found(opening):
                    self._conflicts.give_way(node, "it closes only our own connections")
                return None
            self._wire = wire
            started = self._clock.monotonic()
            reason = await self._live(opening, welcome, wire)
        except TakenOver as error:
            self._conflicts.give_way(node, str(error))
            self._owner.changed(str(error))
            return None
        except (BrokerRefused, NotConnected, InvalidSettings) as error:
            self._complain(node, error)
            return error
        if self._closing:
            return None
        self._owner.changed(reason)
        lived = self._clock.monotonic() - started
        if lived >= LASTED:
            self._backoff.reset()
        if self._identity.lane == "control":
            self._conflicts.note(lived)
        if not self._following and not self._again:  # it has not failed
            await self._clock.sleep(self._backoff.delay())
        return None

    async def _open(self, node: ConnectionSettings) -> tuple[ConnectRequest, ConnectResult, Wire]:
        negotiator = self._negotiators[node.address]
        while True:
            opening = await self._identity.opening(
                node, negotiator.version, before=self.node is not None
            )
            wire = self._newest = self._make_wire(opening, self._receive, self._wire)
            try:
                return opening, await wire.open(), wire
            except (BrokerRefused, NotConnected) as error:
                if self._closing or not negotiator.refused(error):
                    raise
            except BaseException:  # unforeseen, it may have left something open
                await wire.close()
                raise

    def _complain(self, node: ConnectionSettings, error: Exception) -> None:
        if isinstance(error, BrokerRefused) and error.reason_code in BAD_CREDENTIALS:
            reason = _about_credentials(node, error.reason_code)
        else:
            reason = f"{error}; trying {'the next one' if self._nodes.several else 'again'}"
        self._throttled[node.address].warn(reason)
        self.reason = reason
        self._owner.trouble(reason)

    async def _live(self, opening: ConnectRequest, welcome: ConnectResult, wire: Wire) -> str:
        """From CONNACK to the end of the connection; returns why it ended, or raises `NotConnected`
        where the subscriptions were not in place before that."""
        self._live_wire = wire
        self._renewing, self._again = self._again, False
        try:
            if wire.receive is not _nobody:
                await self._begin(opening, welcome, wire)
            if self._closing or wire.receive is _nobody:
                self._again = True
                return "it is made again"
            self.up = wire
            if self._paused:
                wire.pause()
            self._arrived(opening.settings)
            return await self._stay(wire)
        except TakenOver:
            raise
        except NotConnected as error:
            raise NotConnected(f"{opening.settings.address}: {error}") from error
        finally:
            self.up = self._live_wire = None
            ending, self._ending = self._ending, None
            try:
                await wire.close()
            finally:
                if ending is not None:
                    await ending

    async def _stay(self, wire: Wire) -> str:
        name = f"mqtt {self._identity.lane} acknowledgements"
        watch = tasks.spawn(self._watch(wire), name=name)
        try:
            async with asyncio.timeout(None) as self._leave:
                self._owner.changed("")
                return await self._lost(wire)
        except TimeoutError:  # `follow` or `_watch` has set the time
            if wire is self.gave_up:
                return f"no acknowledgement of a publish within {self._patience:g} s"
            return f"moving to {self._nodes.current.address}"
        finally:
            watch.cancel()
            self._leave = None

    @property
    def _patience(self) -> float:
        """Seconds."""
        node = self.node or self._nodes.current
        return INTERVALS * node.keepalive

    async def _watch(self, wire: Wire) -> None:
        """Leave a wire on which the broker does not acknowledge."""
        await run_out(wire, self._patience, self._clock)
        if self._leave is not None:
            self.gave_up = wire
            self._leave.reschedule(0)

    async def _lost(self, wire: Wire) -> str:
        if not self._renewing:
            return await self._asking(wire)
        retained = tasks.spawn(
            self._placement.renew(wire), name=f"mqtt {self._identity.lane} retained"
        )
        try:
            return await self._asking(wire)
        finally:
            retained.cancel()

    async def _asking(self, wire: Wire) -> str:
        while self._placement.deferred:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ASK_AGAIN):
                    return await wire.lost()
            with contextlib.suppress(NotConnected):  # then the connection is lost
                await self._placement.ask_again(wire)
        return await wire.lost()

    def _arrived(self, node: ConnectionSettings) -> None:
        self._throttled[node.address].settle()
        self.reason = ""
        current = self._nodes.current
        if self._following and node is not current:
            self.missed = current
        else:
            self._nodes.current = node
        self._following = False

    async def _begin(self, opening: ConnectRequest, welcome: ConnectResult, wire: Wire) -> None:
        node = opening.settings
        self._negotiators[node.address].accepted()
        self.resumed = welcome.resumed
        self._placement.begin(resumed=welcome.resumed, anew=node is not self.node)
        self.node = node
        capabilities = await self._owner.learn(opening, welcome, wire)
        if wire.receive is not _nobody:
            wire.receive = self._owner.receiver(
                self._identity.lane, capabilities, self._placement.asked
            )
        await self._placement.settle(wire, capabilities)


def _nobody(delivery: Delivery) -> None:
    """Takes what comes on a wire that is given up; the broker sends it again."""


def _about_credentials(node: ConnectionSettings, code: int) -> str:
    who = "a client without a user name" if node.user is None else f"the user {node.user!r}"
    return (
        f"{node.address} does not let {who} in: {reason_text(code)}; "
        "check common.mqtt.username and common.mqtt.password"
    )
