"""What a broker does that its CONNACK does not tell, found out by trying.

Needed on MQTT 3.1.1, and once for each transport: a short connection of its own subscribes to
overlapping filters and to a shared one on topics nobody else has, publishes, and counts.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, replace

from dskity.broker.wire import Opening, WireFactory
from dskity.bus.delivery import Delivery
from dskity.bus.errors import DSkityError
from dskity.bus.message import Message
from dskity.bus.topics import quote, share
from dskity.bus.transport import Capabilities

PREFIX = "dskity-trial"
PATIENCE = 2.0  # seconds; on loopback it takes 5 ms, and a broker that is slower tells us nothing


@dataclass(frozen=True, slots=True)
class Findings:
    """`copies`: a message comes once for each filter that matches; `shared`: `$share` delivers."""

    copies: bool = False
    shared: bool = False

    def added_to(self, known: Capabilities) -> Capabilities:
        """The capabilities, corrected by what was seen."""
        return known.but(overlap="each" if self.copies else "once", shared=self.shared)


async def try_out(opening: Opening, make_wire: WireFactory) -> Findings:
    """The findings; the least where the broker does not let us try."""
    trial = replace(
        opening,
        client_id=f"{opening.client_id}-trial",
        clean_start=True,
        session_expiry=0,
        will=None,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            return await _Trial(trial, make_wire).run()
    except (DSkityError, TimeoutError):
        return Findings()


class _Trial:
    def __init__(self, opening: Opening, make_wire: WireFactory) -> None:
        self._root = f"{PREFIX}/{quote(opening.client_id)}"
        self._seen: Counter[str] = Counter()
        self._ended = asyncio.Event()
        self._wire = make_wire(opening, self._receive, None)

    async def run(self) -> Findings:
        """Subscribe, publish, and count until the last message is there: order is kept."""
        root = self._root
        shared = share("dskity", f"{root}/shared")
        try:
            await self._wire.open()
            for filter in (f"{root}/+/two", f"{root}/one/+", shared, f"{root}/end"):
                await self._wire.subscribe(filter, 0, None)
            for topic in (f"{root}/one/two", f"{root}/shared", f"{root}/end"):
                await self._wire.publish(Message(topic, b"trial", qos=0))
            await self._ended.wait()
        finally:
            await self._wire.close()
        return Findings(
            copies=self._seen[f"{root}/one/two"] > 1, shared=self._seen[f"{root}/shared"] > 0
        )

    def _receive(self, delivery: Delivery) -> None:
        self._seen[delivery.topic] += 1
        if delivery.topic == f"{self._root}/end":
            self._ended.set()
