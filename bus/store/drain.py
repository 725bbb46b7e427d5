"""Sending what waits in an outbox, page after page, until nothing waits.

A message leaves the disk when the broker has acknowledged it, so a crash in the middle sends some
twice and none never. Sending in the order of the file on one connection keeps the order of each
topic: the broker acknowledges in that order too, so what a broken connection leaves is the rest.
Where the disk is so full that nothing can be deleted, what has left is remembered here meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from dskity.bus.base import tasks
from dskity.bus.base.clock import Clock
from dskity.bus.base.throttled_log import ThrottledLog
from dskity.bus.errors import BrokerRefused, DSkityError, StoreUnavailable, Unavailable
from dskity.bus.message import Message, check_message
from dskity.bus.store.hang_ups import HANGS_UP, Accused, HangUps, Sent
from dskity.bus.store.quarantine import Quarantine, Verdict
from dskity.bus.store.rows import Stored
from dskity.bus.store.spool import Spool
from dskity.bus.store.stamps import Stamps

Send: TypeAlias = Callable[[Message], Awaitable[object]]
"""Returns when the broker has acknowledged; `NotConnected` where it is away."""

_PAGE = 200  # messages sent at once; the broker's window of 100 to 1,000 is the real limit
_FEW = 10  # read at once while they are sent one at a time
_FOR_NOW = frozenset({0x91, 0x97})  # packet identifier in use, quota exceeded (MQTT 5 spec 2.4)
_logger = logging.getLogger("dskity.bus.store.outbox")


@dataclass(frozen=True, slots=True)
class DrainContext:
    """Where messages wait, and for how long: `max_age` is in seconds, None for no limit."""

    spool: Spool
    stamps: Stamps
    max_age: float | None
    clock: Clock
    losses: ThrottledLog


@dataclass(frozen=True, slots=True)
class Sender:
    """How messages leave. What may have ended the connection is tried in `quarantine`, if there can
    be one; what passes there has left if the broker `tells_refusals`. `connection` is the number of
    the last connection."""

    send: Send
    quarantine: Quarantine | None
    tells_refusals: Callable[[], bool]
    connection: Callable[[], int]


class Drain:
    """`sent`, `expired` and `refused` count messages since it was made."""

    def __init__(self, context: DrainContext) -> None:
        self.sent = 0
        self.expired = 0
        self.refused = 0
        self._context = context
        self._hang_ups = HangUps()
        self._gone: set[int] = set()  # ids that have left, and are on the disk still
        self._gone_to = 0  # the id up to which all have left

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return self._context.spool.messages <= len(self._gone)

    async def run(self, sender: Sender) -> None:
        """Send until a page is empty; raises what the broker or the disk refuses for now."""
        await self._context.stamps.follow_the_clock()
        await self._examine(sender)
        limit = _PAGE
        while True:
            offset = self._context.stamps.offset  # that of the page's stamps
            page = await self._context.spool.page(self._gone_to, limit)
            if not page:
                break
            now = self._context.clock.monotonic() + offset
            self._drop_what_is_over(page, now)
            waiting = {stored.id: stored for stored in page if stored.id not in self._gone}
            picked = [waiting[id] for id in self._hang_ups.pick(tuple(waiting))]
            limit = _PAGE if len(picked) == len(waiting) else _FEW
            await self._send(sender, page, picked, now)
        await self._remove()

    async def _send(
        self, sender: Sender, page: list[Stored], picked: list[Stored], now: float
    ) -> None:
        connection = sender.connection()
        outcomes = await asyncio.gather(
            *(tasks.contained(partial(self._one, sender, stored, now)) for stored in picked),
            return_exceptions=True,
        )
        sent = Sent(connection, picked, outcomes)
        self._note(page, sent)
        accused = self._hang_ups.judge(sent, self._context.clock.monotonic())
        if accused is not None:
            await self._set_aside(accused)
            self._hang_ups.forget(accused.stored.id)
        with contextlib.suppress(StoreUnavailable):  # a full disk holds up no message
            await self._remove()
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _one(self, sender: Sender, stored: Stored, now: float) -> bool:
        """Send one; whether the broker has it, else it is set aside."""
        message = stored.at(now)
        try:
            check_message(message)  # an earlier version may have let it in
            await sender.send(message)
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            if _may_pass(error):
                raise
            cause = None if isinstance(error, DSkityError) else error
            accused = Accused(stored, f"{type(error).__name__}: {error}")
            await self._set_aside(accused, cause)
            return False
        self.sent += 1
        return True

    def _note(self, page: list[Stored], sent: Sent) -> None:
        """Remember what has left."""
        self._gone.update(sent.acknowledged)
        for stored in page:
            if stored.id not in self._gone:
                break
            self._gone_to = stored.id

    async def _examine(self, sender: Sender) -> None:
        """Try those that may have ended the connection on another one; see `quarantine.py`."""
        now = self._context.stamps.now

        def prepare(stored: Stored) -> Message | None:
            return None if self._is_over(stored, now) else stored.at(now)

        verdicts = await self._hang_ups.examine(sender.quarantine, prepare)
        if not verdicts:
            return
        proof = sender.tells_refusals()
        for stored, verdict in verdicts:
            if verdict is Verdict.GUILTY:
                await self._set_aside(Accused(stored, HANGS_UP))
            elif verdict is Verdict.PASSED and proof:
                self.sent += 1
                self._gone.add(stored.id)
            else:
                continue
            self._hang_ups.forget(stored.id)
        if all(verdict is not Verdict.UNKNOWN for _, verdict in verdicts):
            self._hang_ups.released()
        await self._remove()

    async def _set_aside(self, accused: Accused, cause: BaseException | None = None) -> None:
        """Keep what can never be sent out of the way of the others."""
        message = accused.stored.message
        _logger.error(
            "the outbox sets a message of %s (%d bytes) aside: %s",
            message.topic,
            len(message.payload),
            accused.reason,
            exc_info=cause,
        )
        await self._context.spool.refuse(accused.stored.id, accused.reason)
        self.refused += 1

    async def _remove(self) -> None:
        """Delete what has left. Until it is deleted it counts as waiting, so that nothing passes
        what does wait."""
        gone, self._gone = self._gone, set()
        try:
            if gone:
                await self._context.spool.remove(tuple(gone))
        except StoreUnavailable:
            self._gone = gone
            raise

    def _drop_what_is_over(self, page: list[Stored], now: float) -> None:
        for stored in page:
            if stored.id in self._gone or not self._is_over(stored, now):
                continue
            self.expired += 1
            if stored.expires_at is None:
                self._context.losses.warn(
                    "the outbox drops messages that are older than its `max_age`"
                )
            self._gone.add(stored.id)
            self._hang_ups.forget(stored.id)

    def _is_over(self, stored: Stored, now: float) -> bool:
        most = self._context.max_age
        too_old = most is not None and now - stored.put_at > most
        return too_old or (stored.expires_at is not None and stored.expires_at <= now)


def _may_pass(error: BaseException) -> bool:
    """Whether the same message may be taken later; else it must not hold up those behind it."""
    if isinstance(error, BrokerRefused):
        return error.reason_code in _FOR_NOW
    return isinstance(error, Unavailable)
