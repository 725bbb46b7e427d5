"""What every runtime has to know of a broker and CONNACK does not tell, found out by trying.

It is the shallow depth of the probe, tried once for each transport, and the first experiment of the
deep one. Two short connections subscribe to overlapping filters and to a shared one, on topics that
nobody else has, publish, and count; the second one sees whether the session has kept what was not
acknowledged. 20 ms on loopback. MQTT 5 tells more, and there one publish is enough at a start.

A broker with an ACL need not let us: mosquitto grants each subscription, and hangs up on a message
that may not be published, or drops in silence one that may not be read. So at a start each answer
is awaited for as long as this broker may take for one (`Visit.patience`), and the first that does
not come ends the trial.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from dskity.broker.probe.client import LEAST_PATIENCE, PREFIX, Visit
from dskity.broker.probe.context import Ground
from dskity.broker.wire import ConnectRequest, ConnectResult, Wire, WireFactory
from dskity.bus.errors import DSkityError, NotConnected
from dskity.bus.message import Message
from dskity.bus.topics import quote, share
from dskity.bus.transport import Capabilities

T = TypeVar("T")

# Seconds in all; a broker that needs longer tells us nothing, and has no shared subscriptions for
# us until both lanes connect anew. It takes some fifteen round trips, of half a second each on a
# cellular line.
PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Basics:
    """What was seen; the defaults are what to assume of a broker that does not let us try."""

    copies: bool = False
    """A message comes once for each of our filters that matches."""
    identified: bool = False
    """A message names the subscriptions that it is for."""
    shared: bool = False
    """What is published for a shared subscription arrives."""
    grants_shared: bool = False
    """A shared subscription is granted, whether anything arrives or not."""
    persistent: bool = True
    """A session outlives its connection."""
    redelivery: bool = True
    """What was not acknowledged comes again."""
    marks_duplicates: bool = True
    """It is marked as a duplicate then."""
    max_qos: int = 2
    """What it grants to a request for QoS 2."""
    final: bool = True
    """The broker has answered; what it was too slow for, or hung up on, it may do another time."""
    barred: str = ""
    """Why the trial came to no end: a question without an answer, or a lost connection."""

    def added_to(self, known: Capabilities) -> Capabilities:
        """The capabilities, corrected by what was seen."""
        return known.but(
            overlap="each" if self.copies else "once",
            shared=self.shared,
            persistent=self.persistent,
            redelivery=self.redelivery,
            max_qos=min(known.max_qos, self.max_qos),
        )

    def warn(self, log: logging.Logger) -> None:
        """Say what every route has to live with: no route is refused for it, or none would start on
        such a broker."""
        if self.barred:
            log.warning(
                "this broker could not be tested on topics below %s/: %s; allow this user to "
                "publish and subscribe there: until then it counts as a broker without shared "
                "subscriptions",
                PREFIX,
                self.barred,
            )
        if not self.redelivery:
            log.warning(
                "this broker does not redeliver unacknowledged messages: messages in "
                "progress at a crash or a lost connection are lost, at any QoS; see `dskity doctor`"
            )


UNTRIED = Basics(shared=True)
"""What is assumed where nothing is tried: the broker then refuses what it cannot do."""


async def try_out(
    opening: ConnectRequest, welcome: ConnectResult, make_wire: WireFactory
) -> Basics:
    """The basics of the broker that `opening` has just connected to, or why they are not known."""
    ground = Ground(opening.under(f"{opening.client_id}-trial"), make_wire, welcome)
    try:
        async with asyncio.timeout(PATIENCE):
            try:
                return await find(ground, hurried=True)
            finally:
                await ground.leave()
    except TimeoutError:
        return Basics(final=False, barred="no answer in time")
    except NotConnected as error:
        return Basics(final=False, barred=str(error))
    except DSkityError:  # it forbids the trial
        return Basics()


async def find(ground: Ground, *, hurried: bool) -> Basics:
    """Connect, come back, and compare. Raises `TimeoutError` where it is `hurried` and the broker
    leaves a question without an answer."""
    overlap, shared, kept = (ground.topic(name) for name in ("one/two", "shared", "kept"))
    identified = ground.five and ground.welcome.identifiers
    async with ground.return_visit() as guest:
        # On a topic of its own: rumqttd ends a session that has sent by such a subscription.
        most = await _in_time(guest.subscribe(ground.topic("once"), 2), guest, hurried)
        await _in_time(
            guest.subscribe(ground.topic("+/two"), 0, 1 if identified else None), guest, hurried
        )
        await _in_time(
            guest.subscribe(ground.topic("one/+"), 0, 2 if identified else None), guest, hurried
        )
        granted = await _in_time(guest.subscribe(share("dskity", shared), 0), guest, hurried)
        await _in_time(guest.subscribe(kept, 1), guest, hurried)
        # QoS 1 first: where an ACL forbids it, PUBACK says so, and QoS 0 would end the connection.
        for topic, qos in ((kept, 1), (overlap, 0), (shared, 0)):
            await _in_time(guest.publish(topic, qos=qos), guest, hurried)
        await _in_time(guest.settle(), guest, hurried)
        first = guest
    async with ground.return_visit() as guest:
        await _in_time(guest.settle(), guest, hurried)
        again = [delivery for delivery in guest.deliveries if delivery.topic == kept]
    return Basics(
        copies=first.count(overlap) > 1,
        identified={1, 2} <= first.identifiers(overlap),
        shared=first.count(shared) > 0,
        grants_shared=granted is not None,
        persistent=guest.welcome.resumed,
        redelivery=bool(again),
        marks_duplicates=all(delivery.duplicate for delivery in again),
        max_qos=2 if most is None else most,
    )


async def _in_time(answer: Awaitable[T], guest: Visit, hurried: bool) -> T:
    async with asyncio.timeout(guest.patience if hurried else None):
        return await answer


async def tells_no_match(wire: Wire, client_id: str) -> bool | None:
    """Whether a PUBACK says that no client is subscribed to a topic that is new; None where
    none came.

    There are brokers that end the connection over a publish that an ACL forbids. So that is a no:
    who asked again on the next connection would lose that one too, and so on.
    """
    nobody = Message(f"{PREFIX}/{quote(client_id)}/nobody", b"trial", qos=1)
    try:
        async with asyncio.timeout(LEAST_PATIENCE):
            return await wire.publish(nobody) is False
    except TimeoutError:
        return None
    except DSkityError:  # an ACL forbids it
        return False
