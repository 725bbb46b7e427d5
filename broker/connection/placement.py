"""Puts the subscriptions of one lane in place, on one wire after another."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import partial

from dskity.broker.connection.retained import Asked
from dskity.broker.connection.subscriptions import Held, Subscription, Subscriptions
from dskity.broker.reasons import FINAL
from dskity.broker.wire import Wire
from dskity.bus import topics
from dskity.bus.base.tasks import contained, spawn
from dskity.bus.errors import BrokerRefused, DSkityError, NotConnected
from dskity.bus.transport import Capabilities, Lane

log = logging.getLogger("dskity.mqtt")

AT_ONCE = 100  # SUBSCRIBE packets on their way: thousands of routes take few round trips
# Seconds without a SUBACK after which a new connection is tried. Under load it takes one or two.
NO_SUBACK = 30.0
UNANSWERED = 5.0  # seconds to wait for an UNSUBACK
UNANSWERED_AGAIN = 0.2  # from a broker that has left one out on this connection


class Placement:
    """What the session of one lane has of the subscriptions that are wanted.

    `_withheld` are the filters that the broker was not asked for, because it could not serve them.
    `deferred` are those that the broker refused, perhaps for a while only: a cluster that has lost
    a node refuses until it has a leader again (NATS). `asked` are the SUBSCRIBE packets of this
    connection. `_inherited` is whether the session may hold filters of an earlier process.
    """

    def __init__(self, subscriptions: Subscriptions, lane: Lane) -> None:
        self.deferred: set[Subscription] = set()
        self.asked = Asked()
        self._refused: set[Subscription] = set()
        self._withheld: set[str] = set()
        self._subscriptions = subscriptions
        self._lane = lane
        self._held = Held()
        self._patience = UNANSWERED
        self._inherited = True  # until a session is new

    def begin(self, *, resumed: bool, anew: bool) -> None:
        """A connection begins; see `Held`."""
        self._patience = UNANSWERED
        self.asked.clear()
        self.deferred.clear()
        self._refused.clear()
        self._withheld.clear()
        self._held.begin(resumed=resumed, anew=anew)
        self._inherited = resumed and self._inherited

    async def settle(self, wire: Wire, can: Capabilities) -> None:
        """Make the broker's session what is wanted, also what is added while this goes on."""
        while True:
            wanted = self._subscriptions.of(self._lane)
            await self._drop_all(wire, self._held.surplus(wanted))
            self._withhold(wanted, can)
            missing = self._missing(wanted)
            if not missing:
                return
            async with asyncio.TaskGroup() as group:
                for entry in missing[:AT_ONCE]:
                    work = contained(partial(self._try, wire, entry))
                    group.create_task(work, name=f"subscribe {entry.filter}")
            if self._missing(missing[:1]):
                raise NotConnected("the connection was lost while subscribing")

    async def renew(self, wire: Wire) -> bool:
        """Subscribe once more to all that the session has, so that what is retained comes again,
        one after the other and behind what waits: no caller needs the answers soon. False where the
        connection is lost before the last answer."""
        for entry in self._subscriptions.of(self._lane):
            if entry.shared or not self._held.has(entry):
                continue
            try:
                await self._subscribe(wire, entry, urgent=False)
            except BrokerRefused as error:
                log.error("%s", error)  # noqa: TRY400  # the broker's answer is no fault of this code
            except NotConnected:
                return False
        return True

    async def ask_again(self, wire: Wire) -> None:
        """Try once more what was refused."""
        wanted = self._subscriptions.of(self._lane)
        for entry in [entry for entry in wanted if entry in self.deferred]:
            with contextlib.suppress(BrokerRefused):
                await self.place(wire, entry)
                log.info("the subscription to %r is now granted", entry.filter)
        self.deferred.intersection_update(self._held.missing(wanted))

    async def place(self, wire: Wire, subscription: Subscription) -> None:
        """Subscribe; raises `BrokerRefused` and `NotConnected`."""
        self._withheld.discard(subscription.filter)
        granted = await self._answer(wire, subscription)
        self._held.put(subscription)
        await self._leave_former(wire, subscription)
        if granted < subscription.qos:
            log.warning(
                "%s: the broker granted QoS %d instead of %d",
                subscription.filter,
                granted,
                subscription.qos,
            )

    async def _answer(self, wire: Wire, entry: Subscription) -> int:
        """The QoS that SUBACK grants; a wire that brings none is closed, so that another one is
        tried."""
        asking = spawn(self._subscribe(wire, entry), name=f"subscribe {entry.filter}", awaited=True)
        asking.add_done_callback(lambda done: done.cancelled() or done.exception())  # seen
        try:
            if not (await asyncio.wait((asking,), timeout=NO_SUBACK))[0]:
                await wire.close()
                raise NotConnected(f"no answer to SUBSCRIBE within {NO_SUBACK:g} s")
        finally:
            asking.cancel()
            await asyncio.wait((asking,))
        return asking.result()

    async def _subscribe(self, wire: Wire, entry: Subscription, *, urgent: bool = True) -> int:
        self.asked.note(entry.filter)
        return await wire.subscribe(
            entry.filter,
            entry.qos,
            entry.identifier,
            as_published=entry.as_published,
            urgent=urgent,
        )

    async def drop(self, wire: Wire, filter: str) -> None:
        """Unsubscribe; raises `NotConnected`.

        A broker that does not answer must hold up nobody: rumqttd answers none in a resumed
        session, and leaves the subscription in place. What still comes for it is acknowledged.
        """
        if filter in self._withheld:
            self._withheld.discard(filter)
            return
        try:
            async with asyncio.timeout(self._patience):
                await wire.unsubscribe(filter)
        except TimeoutError:
            self._patience = UNANSWERED_AGAIN
            log.warning(
                "%s: the broker does not answer UNSUBSCRIBE; further messages for it are "
                "acknowledged and counted as unrouted",
                filter,
            )
        self._held.drop(filter)

    async def _leave_former(self, wire: Wire, subscription: Subscription) -> None:
        """Of a filter that an earlier process had without the group: it would bring every member
        of the group every message. Only now, so that none is lost in between."""
        group, plain = topics.split_share(subscription.filter)
        if group is None or not self._inherited:
            return
        if self._subscriptions.get(plain, self._lane) is None:
            await self.drop(wire, plain)

    async def _drop_all(self, wire: Wire, filters: list[str]) -> None:
        """Side by side, for a broker that does not answer takes its time for each."""
        for at in range(0, len(filters), AT_ONCE):
            some = filters[at : at + AT_ONCE]
            outcomes = await asyncio.gather(
                *(contained(partial(self.drop, wire, filter)) for filter in some),
                return_exceptions=True,
            )
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome

    def _missing(self, wanted: list[Subscription]) -> list[Subscription]:
        return [entry for entry in self._held.missing(wanted) if entry not in self._refused]

    def _withhold(self, wanted: list[Subscription], can: Capabilities) -> None:
        lost = set() if can.shares_filters else topics.crowded(entry.filter for entry in wanted)
        for entry in self._missing(wanted):
            if entry.shared and not can.shared:
                log.warning("%s: this broker has no shared subscriptions", entry.filter)
            elif entry.filter in lost:
                log.warning("%s: this broker serves one filter of a group", entry.filter)
            else:
                continue
            self._refused.add(entry)
            self._withheld.add(entry.filter)

    async def _try(self, wire: Wire, entry: Subscription) -> None:
        try:
            await self.place(wire, entry)
        except BrokerRefused as error:
            self._refused.add(entry)
            if error.reason_code not in FINAL:
                self.deferred.add(entry)
            log.error("%s", error)  # noqa: TRY400  # the broker's answer is no fault of this code
        except NotConnected:
            pass  # `settle` sees that it is missing
        except DSkityError as error:  # larger than any packet that the broker takes, say
            self._refused.add(entry)
            log.error("%s: %s", entry.filter, error)  # noqa: TRY400  # see above
