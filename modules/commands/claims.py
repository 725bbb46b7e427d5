"""Which of several runtimes answers a request, on a broker without shared subscriptions.

There each runtime gets each request. Each publishes a claim, and gets all claims back; a broker
hands on what is published to one topic in one order to all its subscribers, so the first claim is
the same for everybody, and its author answers. `docs/decisions/0012-one-runtime-answers.md` tells
what else was considered.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dskity.bus.base.jsontext import NotJson, parse_json
from dskity.bus.base.throttled_log import ThrottledLog
from dskity.bus.bus import Bus
from dskity.bus.delivery import Delivery
from dskity.bus.errors import NotConnected
from dskity.bus.message import Message

# Seconds for which a request is remembered. One with a correlation comes once; without, an equal
# one is another request, and they are told apart by counting, until there has been a pause.
REMEMBERED, PAUSE = 60.0, 5.0
MOST = 10_000  # requests that are remembered, of some 500 bytes each
ANSWERED_WITHIN = 5.0  # seconds for our own claim to come back
_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Round:
    """The claims for one request, or for equal ones that cannot be told apart."""

    once: bool
    at: float
    counts: Counter[str] = field(default_factory=Counter)

    def claim(self, by: str) -> bool:
        """Count a claim; whether it is the first one for its request."""
        others = max((count for name, count in self.counts.items() if name != by), default=0)
        self.counts[by] += 1
        return others == 0 if self.once else self.counts[by] > others


class Claims:
    """Those on one bus."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._topic = f"{bus.root}/commands/claims"
        self._throttled = ThrottledLog(_logger, bus.clock)
        self._rounds: OrderedDict[str, Round] = OrderedDict()
        self._waiting: dict[str, asyncio.Future[bool]] = {}

    async def open(self) -> None:
        """Hear all claims; call it before the first request can come."""
        await self._bus.attach(self._topic, self._accept, lane="control")

    async def wins(self, request: Message) -> bool:
        """Whether this runtime is to answer. Where its claim does not come back it is not: another
        runtime may be answering."""
        number = secrets.token_hex(8)
        won: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[number] = won
        claim = {
            "request": identity(request),
            "once": request.correlation is not None,
            "by": self._bus.client_id,
            "number": number,
        }
        try:
            async with self._bus.clock.timeout(ANSWERED_WITHIN):
                await self._bus.publish(self._topic, claim, qos=0)
                return await won
        except (NotConnected, TimeoutError) as error:
            self._throttled.warn(
                f"a request on {request.topic} is left to other runtimes, because it could not be "
                f"claimed: {str(error) or 'the claim was not received'}"
            )
            return False
        finally:
            self._waiting.pop(number, None)

    def _accept(self, delivery: Delivery, captures: Mapping[str, str]) -> None:
        del captures
        try:
            claim = parse_json(delivery.payload)
        except NotJson:
            claim = None
        if isinstance(claim, dict) and not delivery.retain:
            self._count(claim)
        delivery.done()

    def _count(self, claim: Mapping[str, Any]) -> None:
        request, by = str(claim.get("request")), str(claim.get("by"))
        won = self._round(request, once=claim.get("once") is True).claim(by)
        waiting = self._waiting.get(str(claim.get("number")))
        if by == self._bus.client_id and waiting is not None and not waiting.done():
            waiting.set_result(won)

    def _round(self, request: str, *, once: bool) -> Round:
        now = self._bus.clock.monotonic()
        found = self._rounds.get(request)
        if found is None or now - found.at > (REMEMBERED if once else PAUSE):
            found = self._rounds[request] = Round(once, now)
        found.at = now
        self._rounds.move_to_end(request)
        while len(self._rounds) > MOST or now - next(iter(self._rounds.values())).at > REMEMBERED:
            self._rounds.popitem(last=False)
        return found


def identity(request: Message) -> str:
    """The same for all who got a request, by whom it is asked and its correlation, or by what it
    says where it has none."""
    digest = hashlib.sha256(request.topic.encode())
    if request.correlation is None:
        digest.update(b"\0" + request.payload)
    else:
        digest.update(b"\1" + (request.reply_to or "").encode() + b"\0" + request.correlation)
    return digest.hexdigest()
