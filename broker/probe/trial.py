"""What a broker does that its CONNACK does not tell, found out by trying, once for each transport.

Whether it says that no client is subscribed takes one publish. MQTT 3.1.1 needs more: a short
connection of its own subscribes to overlapping filters and to a shared one, on topics nobody else
has, publishes, and counts; then it comes back to see whether the session has kept what was not
acknowledged. 20 ms on loopback.

A broker with an ACL need not let us: mosquitto grants each subscription, and hangs up on a message
that may not be published, or drops in silence one that may not be read. So each answer is awaited
for as long as this broker may take for one (`Visit.patience`), and the first that does not come
ends the trial.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from dataclasses import dataclass, replace

from dskity.broker.probe.client import LEAST_PATIENCE, PREFIX, Visit, visit
from dskity.broker.wire import ConnectRequest, Wire, WireFactory
from dskity.bus.delivery import Delivery
from dskity.bus.errors import DSkityError, NotConnected
from dskity.bus.message import Message
from dskity.bus.topics import quote, share
from dskity.bus.transport import Capabilities

# Seconds in all; a broker that needs longer tells us nothing, and has no shared subscriptions for
# us until both lanes connect anew. It takes some fifteen round trips, of half a second each on a
# cellular line.
PATIENCE = 10.0
_SESSION = 60  # seconds for which MQTT 5 keeps the trial's session


@dataclass(frozen=True, slots=True)
class Findings:
    """What was seen; the defaults are what to assume of a broker that does not let us try."""

    copies: bool = False
    """A message comes once for each of our filters that matches."""
    shared: bool = False
    """What is published for a shared subscription arrives."""
    persistent: bool = True
    """A session outlives its connection."""
    redelivery: bool = True
    """What was not acknowledged comes again."""
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


UNTRIED = Findings(shared=True)
"""What is assumed where nothing is tried: the broker then refuses what it cannot do."""


async def try_out(opening: ConnectRequest, make_wire: WireFactory) -> Findings:
    """The findings about the broker that `opening` has just connected to."""
    trial = _Trial(
        replace(
            opening,
            client_id=f"{opening.client_id}-trial",
            clean_start=False,
            session_expiry=_SESSION,
            will=None,
        ),
        make_wire,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            return await trial.run()
    except TimeoutError:
        return Findings(final=False, barred="no answer in time")
    except NotConnected as error:
        return Findings(final=False, barred=str(error))
    except DSkityError:  # it forbids the trial
        return Findings()


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


class _Trial:
    """Its deliveries are never acknowledged: that is part of it."""

    def __init__(self, opening: ConnectRequest, make_wire: WireFactory) -> None:
        self._opening = opening
        self._make_wire = make_wire
        root = f"{PREFIX}/{quote(opening.client_id)}"
        self._overlap, self._shared = f"{root}/one/two", f"{root}/shared"
        self._kept = f"{root}/kept"
        self._granted = 2
        self._filters = (
            (f"{root}/+/two", 2),
            (f"{root}/one/+", 0),
            (share("dskity", self._shared), 0),
            (self._kept, 1),
        )

    async def run(self) -> Findings:
        """Connect, come back, and leave nothing behind. Raises `TimeoutError` where the broker
        leaves a question without an answer."""
        opening = self._opening
        try:
            async with visit(opening, self._make_wire) as guest:
                await self._ask(guest)
                first = Counter(delivery.topic for delivery in guest.deliveries)
            async with visit(opening, self._make_wire) as guest, self._soon(guest):
                await guest.settle()
                again, second = guest.welcome, guest.count(self._kept)
        finally:
            await self._clear()
        return Findings(
            copies=first[self._overlap] > 1,
            shared=first[self._shared] > 0,
            persistent=again.resumed,
            redelivery=second > 0,
            max_qos=self._granted,
        )

    async def _ask(self, guest: Visit) -> None:
        """Subscribe and publish; a filter that is refused gets nothing."""
        for filter, qos in self._filters:
            async with self._soon(guest):
                granted = await guest.subscribe(filter, qos)
            if qos == 2 and granted is not None:  # noqa: PLR2004  # QoS 2
                self._granted = granted
        for topic, qos in ((self._overlap, 0), (self._shared, 0), (self._kept, 1)):
            async with self._soon(guest):
                await guest.publish(topic, qos=qos)
        async with self._soon(guest):
            await guest.settle()

    @staticmethod
    def _soon(guest: Visit) -> asyncio.Timeout:
        return asyncio.timeout(guest.patience)

    async def _clear(self) -> None:
        """End the session; what fails here is forgotten by the broker after `_SESSION` seconds."""
        opening = replace(self._opening, clean_start=True, session_expiry=0)
        wire = self._make_wire(opening, Delivery.done, None)
        with contextlib.suppress(DSkityError):
            try:
                await wire.open()
            finally:
                await wire.close()
