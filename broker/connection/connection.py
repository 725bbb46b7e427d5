"""Keeps one wire alive: connects for ever, and puts the subscriptions in place."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import NamedTuple

from dskity.broker.backoff import Backoff
from dskity.broker.connection.client_id_conflict import LASTED
from dskity.broker.connection.context import LaneContext
from dskity.broker.connection.placement import Placement
from dskity.broker.connection.states import OPEN, Aim, Event, Life, State, step
from dskity.broker.connection.subscriptions import Subscription
from dskity.broker.connection.version_negotiator import VersionNegotiator
from dskity.broker.patience import INTERVALS, run_out
from dskity.broker.reasons import BAD_CREDENTIALS, reason_text
from dskity.broker.settings import ConnectionSettings
from dskity.broker.wire import ConnectRequest, ConnectResult, TakenOver, Wire
from dskity.bus.base import tasks
from dskity.bus.delivery import Delivery
from dskity.bus.errors import BrokerRefused, InvalidSettings, NotConnected

log = logging.getLogger("dskity.mqtt")

ASK_AGAIN = 10.0  # seconds until a subscription that was refused is tried once more


class LaneConnection:
    """The connection of one lane. `run` is its task, and may be run again after an error of it.

    `life` is its state; see `states.py`. `node` is where it is, or was. `missed` is where it could
    not follow the other lane to. `reason` is why the last attempt failed, until one succeeds.
    `gave_up` is the last wire that was closed because the broker did not acknowledge. `resumed`
    says whether the broker had kept the session when the connection was made.
    """

    def __init__(self, context: LaneContext) -> None:
        self.life = Life()
        self.resumed = False
        self.node: ConnectionSettings | None = None
        self.missed: ConnectionSettings | None = None
        self.reason = ""
        self.gave_up: Wire | None = None
        self._context = context
        self._negotiators = {
            node.address: VersionNegotiator(node.protocol) for node in context.nodes.round()
        }
        self._backoff = Backoff(context.clock)
        self._placement = Placement(context.subscriptions, context.lane)
        self._wire: Wire | None = None  # the last one that the broker accepted
        self._newest: Wire | None = None  # the last one that was made
        self._leave: asyncio.Timeout | None = None
        self._ending: asyncio.Task[None] | None = None
        self._paused = False

    @property
    def up(self) -> Wire | None:
        """The wire while it is connected with all subscriptions in place, and None else."""
        return self._wire if self.life.connected else None

    def _step(self, event: Event) -> None:
        self.life = step(self.life, event)

    async def run(self) -> None:
        """Connect, live, and begin again, until cancelled; the last wire is closed cleanly.

        All nodes are tried before it waits: while one is away, another one may be there.
        """
        while not self.life.closed:
            hopeless = True
            for node in self._context.nodes.round():
                try:
                    error = await self._visit(node)
                except BaseException as unforeseen:
                    self._fell(node, unforeseen)
                    raise
                if error is None or self.life.closed:
                    break
                hopeless &= (
                    isinstance(error, BrokerRefused) and error.reason_code in BAD_CREDENTIALS
                )
            else:
                backoff = self._backoff
                delay = backoff.long_delay() if hopeless else backoff.delay()
                await self._context.clock.sleep(delay)

    def close(self) -> None:
        """Begin no more. Call it before cancelling `run`: a client library may use `wait_for`,
        which before Python 3.12 may swallow a cancellation."""
        self._step(Event.CLOSE)

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
        self._step(Event.FOLLOW)
        if self._leave is not None:
            self._leave.reschedule(0)

    def renew(self) -> None:
        """Hand on nothing more of this wire, close it, and connect again; all that we want is
        subscribed to again then, for what is retained comes with a subscription only."""
        log.info("too many messages to hold: reconnecting, so that the broker sends them again")
        before = self.life.state
        self._step(Event.RENEW)
        if self._newest is not None:
            self._newest.receive = _nobody
        if self._wire is not None and before in OPEN:
            self._ending = tasks.spawn(
                self._wire.close(), name=f"mqtt {self._context.lane} renews", awaited=True
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
        if self.life.closed:
            return
        reason = f"{node.address}: unexpected {error!r}; trying again"
        self.reason = reason
        self._context.nodes.pass_over(node)
        self._context.owner.changed(reason)
        self._context.owner.trouble(reason)

    async def _visit(self, node: ConnectionSettings) -> Exception | None:
        """Be connected to a node for as long as it lasts; the error where it never came to that."""
        conflicts = self._context.conflicts
        await conflicts.peace()
        self._step(Event.ATTEMPT)
        try:
            opening, welcome, wire = await self._open(node)
            if self._context.lane == "control" and conflicts.suspected:
                await wire.close()
                if await conflicts.found(opening):
                    conflicts.give_way(node, "it closes only our own connections")
                return None
            self._wire = wire
            started = self._context.clock.monotonic()
            end = await self._live(opening, welcome, wire)
        except TakenOver as error:
            conflicts.give_way(node, str(error))
            self._context.owner.changed(str(error))
            return None
        except (BrokerRefused, NotConnected, InvalidSettings) as error:
            self._complain(node, error)
            return error
        finally:
            self._step(Event.LOST)
        if not self.life.closed:
            await self._ended(end, self._context.clock.monotonic() - started)
        return None

    async def _ended(self, end: _End, lived: float) -> None:
        """Tell the end of a connection that lasted so many seconds, and wait before the next."""
        self._context.owner.changed(end.reason)
        if lived >= LASTED:
            self._backoff.reset()
        if self._context.lane == "control":
            self._context.conflicts.note(lived)
        if not end.again_at_once:
            await self._context.clock.sleep(self._backoff.delay())

    async def _open(self, node: ConnectionSettings) -> tuple[ConnectRequest, ConnectResult, Wire]:
        negotiator = self._negotiators[node.address]
        while True:
            opening = await self._context.identity.opening(
                node, negotiator.version, before=self.node is not None
            )
            receive = _nobody if self.life.state is State.STALE else self._context.receive
            wire = self._newest = self._context.make_wire(opening, receive, self._wire)
            try:
                return opening, await wire.open(), wire
            except (BrokerRefused, NotConnected) as error:
                if self.life.closed or not negotiator.refused(error):
                    raise
            except BaseException:  # unforeseen, it may have left something open
                await wire.close()
                raise

    def _complain(self, node: ConnectionSettings, error: Exception) -> None:
        if isinstance(error, BrokerRefused) and error.reason_code in BAD_CREDENTIALS:
            reason = _about_credentials(node, error.reason_code)
        else:
            reason = f"{error}; trying {'the next one' if self._context.nodes.several else 'again'}"
        self._context.throttled[node.address].warn(reason)
        self.reason = reason
        self._context.owner.trouble(reason)

    async def _live(self, opening: ConnectRequest, welcome: ConnectResult, wire: Wire) -> _End:
        """From CONNACK to the end of the connection; raises `NotConnected` where that came before
        the subscriptions were in place."""
        self._step(Event.ACCEPTED)
        try:
            if self.life.state is State.SETTLING:
                await self._begin(opening, welcome, wire)
            if self.life.state is not State.SETTLING:  # `renew` or `close` came meanwhile
                return _End("reconnecting", again_at_once=True)
            self._arrived(opening.settings)
            self._step(Event.PLACED)
            if self._paused:
                wire.pause()
            reason = await self._stay(wire)
            return _End(reason, self.life.again_at_once)
        except TakenOver:
            raise
        except NotConnected as error:
            raise NotConnected(f"{opening.settings.address}: {error}") from error
        finally:
            self._step(Event.LOST)
            ending, self._ending = self._ending, None
            try:
                await wire.close()
            finally:
                if ending is not None:
                    await ending

    async def _stay(self, wire: Wire) -> str:
        name = f"mqtt {self._context.lane} acknowledgements"
        watch = tasks.spawn(self._watch(wire), name=name)
        try:
            async with asyncio.timeout(None) as self._leave:
                self._context.owner.changed("")
                return await self._lost(wire)
        except TimeoutError:  # `follow` or `_watch` has set the time
            if wire is self.gave_up:
                return f"no acknowledgement of a publish within {self._patience:g} s"
            return f"moving to {self._context.nodes.current.address}"
        finally:
            watch.cancel()
            self._leave = None

    @property
    def _patience(self) -> float:
        """Seconds."""
        node = self.node or self._context.nodes.current
        return INTERVALS * node.keepalive

    async def _watch(self, wire: Wire) -> None:
        """Leave a wire on which the broker does not acknowledge."""
        await run_out(wire, self._patience, self._context.clock)
        if self._leave is not None:
            self._step(Event.UNANSWERED)
            self.gave_up = wire
            self._leave.reschedule(0)

    async def _lost(self, wire: Wire) -> str:
        if Aim.RENEW not in self.life.aims:
            return await self._asking(wire)
        retained = tasks.spawn(self._renew(wire), name=f"mqtt {self._context.lane} retained")
        try:
            return await self._asking(wire)
        finally:
            retained.cancel()

    async def _renew(self, wire: Wire) -> None:
        if await self._placement.renew(wire):
            self._step(Event.RENEWED)

    async def _asking(self, wire: Wire) -> str:
        while self._placement.deferred:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ASK_AGAIN):
                    return await wire.lost()
            with contextlib.suppress(NotConnected):  # then the connection is lost
                await self._placement.ask_again(wire)
        return await wire.lost()

    def _arrived(self, node: ConnectionSettings) -> None:
        self._context.throttled[node.address].settle()
        self.reason = ""
        current = self._context.nodes.current
        if Aim.FOLLOW in self.life.aims and node is not current:
            self.missed = current
        else:
            self._context.nodes.current = node

    async def _begin(self, opening: ConnectRequest, welcome: ConnectResult, wire: Wire) -> None:
        node = opening.settings
        self._negotiators[node.address].accepted()
        self.resumed = welcome.resumed
        self._placement.begin(resumed=welcome.resumed, anew=node is not self.node)
        self.node = node
        capabilities = await self._context.owner.learn(opening, welcome, wire)
        if self.life.state is State.SETTLING:
            wire.receive = self._context.owner.receiver(
                self._context.lane, capabilities, self._placement.asked
            )
        await self._placement.settle(wire, capabilities)


class _End(NamedTuple):
    """Why a connection ended, and whether the next one begins without a delay."""

    reason: str
    again_at_once: bool


def _nobody(delivery: Delivery) -> None:
    """Takes what comes on a wire that is given up; the broker sends it again."""


def _about_credentials(node: ConnectionSettings, code: int) -> str:
    who = "a client without a user name" if node.user is None else f"the user {node.user!r}"
    return (
        f"{node.address} rejects {who}: {reason_text(code)}; "
        "check common.mqtt.username and common.mqtt.password"
    )
