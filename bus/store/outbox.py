"""Publishes that wait on the disk for the broker: kept in order, sent when it is back.

A message leaves the disk when the broker has acknowledged it, so a crash in the middle sends some
twice and none never. Sending in the order of the file on one connection keeps the order of each
topic: the broker acknowledges in that order too, so what a broken connection leaves is the rest.
Where the disk is so full that nothing can be deleted, what has left is remembered here meanwhile.

Age and expiry are told by the monotonic clock: a box without a battery for its clock boots in the
past, and when its wall clock is set, what it has just published must not be old. The stamps on the
disk, which the next process reads, are then moved by as much.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from dskity.bus.base import tasks
from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.base.throttled_log import ThrottledLog
from dskity.bus.errors import (
    BrokerRefused,
    DSkityError,
    NotConnected,
    StoreUnavailable,
    Unacknowledged,
    Unavailable,
)
from dskity.bus.message import Message, check_message
from dskity.bus.store.poison import PoisonDetector
from dskity.bus.store.quarantine import Apart, Quarantine, Verdict
from dskity.bus.store.rows import Stored
from dskity.bus.store.spool import Bounds, Spool

Send: TypeAlias = Callable[[Message], Awaitable[object]]
"""Returns when the broker has acknowledged; `NotConnected` where it is away."""

_PAGE = 200  # messages sent at once; the broker's window of 100 to 1,000 is the real limit
_FEW = 10  # read at once while they are sent one at a time
_PAUSE = 1.0  # seconds before another try while connected: broker or disk said no for now
_STEP = 5.0  # seconds by which the wall clock was set; less is its ordinary correction
_FOR_NOW = frozenset({0x91, 0x97})  # packet identifier in use, quota exceeded (MQTT 5 spec 2.4)
_HANGS_UP = (
    "the broker closes the connection each time it is sent; is it larger than the broker takes, "
    "or a topic that it forbids?"
)
_UNANSWERED = "the broker acknowledges others, and never this one"
_MAYBE = (
    "each connection ends with it, but nothing else passes either: it is tried again at a start"
)
_logger = logging.getLogger(__name__)


class Outbox:
    """`send` publishes one message; `max_age` is in seconds, None for no limit."""

    def __init__(
        self,
        path: Path | None,
        *,
        bounds: Bounds | None = None,
        max_age: float | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.spool = Spool(
            path, what="the outbox", bounds=bounds, collapses=True, refused_for_good=_HANGS_UP
        )
        self.sent = 0
        self.expired = 0
        self.refused = 0
        self._name = "outbox" if path is None else path.stem
        self._max_age = max_age
        self._clock = clock
        self._throttled = ThrottledLog(_logger, clock)
        self._losses = ThrottledLog(_logger, clock)
        self._offset = clock.time() - clock.monotonic()
        self._gone: set[int] = set()  # ids that have left, and are on the disk still
        self._gone_to = 0  # the id up to which all have left
        self._poison = PoisonDetector()
        self._cornered: list[Stored] = []
        self._quarantine: Quarantine | None = None
        self._tells_refusals: Callable[[], bool] = lambda: False
        self._connections = 0
        self._ended = 0  # the connection whose end was the last to be seen
        self._send: Send | None = None
        self._released = asyncio.Event()
        self._connected = asyncio.Event()
        self._waiting = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing waits, so that a publish may go straight to the broker."""
        return self.spool.messages <= len(self._gone)

    async def open(
        self,
        send: Send,
        apart: Apart | None = None,
        tells_refusals: Callable[[], bool] = lambda: False,
    ) -> None:
        """Open the file; once released, send what is in it, whenever the broker is there. What may
        have ended the connection is tried `apart`, if that can be; what passes there has left if
        the broker `tells_refusals`. Else it is sent once more, for 3.1.1 acknowledges also what an
        ACL forbids to the other client id.

        What was refused is sent once more: a right or a limit may have been mended since. Retained
        messages are not, for newer ones may be there by now.
        """
        await self.spool.open()
        self._send, self._tells_refusals = send, tells_refusals
        if apart is not None:
            self._quarantine = Quarantine(apart, self._connection)
        if not self.empty:
            _logger.info("%d messages wait in the outbox", self.spool.messages)
            self._waiting.set()
        self._task = tasks.keep_running(self._run, name=self._name, clock=self._clock)

    def release(self) -> None:
        """Begin to send: whoever is to receive it here is subscribed now."""
        self._released.set()

    async def close(self) -> None:
        """Stop sending; what has not left stays for the next time."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)  # our own cancellation passes
            self._task = None
        await self.spool.close()

    async def put(self, message: Message) -> None:
        """Keep a message; it is safe when this returns. Raises `OutboxFull`, `StoreUnavailable`,
        and `InvalidInput` where it has text that ends each connection it is sent on.
        """
        check_message(message)
        await self._follow_the_clock()
        dropped = self.spool.dropped
        try:
            await self.spool.put([message], self._clock.monotonic() + self._offset)
        finally:
            self._waiting.set()  # cancelled, it may be on the disk all the same
        if self.spool.dropped > dropped:
            self._losses.warn("the outbox is at its bound: it drops the oldest messages")

    def link_changed(self, connected: bool, *, resumed: bool) -> None:
        """See `link.Watcher`."""
        del resumed
        if connected:
            self._connections += 1
            self._connected.set()
        else:
            self._connected.clear()

    async def _follow_the_clock(self) -> None:
        """Move the stamps on the disk when the wall clock was set."""
        step = self._clock.time() - self._clock.monotonic() - self._offset
        if abs(step) < _STEP:
            return
        self._offset += step  # what is asked of the disk from now on sees the stamps moved
        try:
            await self.spool.move_stamps(step)
        except StoreUnavailable:
            self._offset -= step
            raise

    async def _run(self) -> None:
        await self._released.wait()
        if not self.empty:  # also after an error of an earlier run
            self._waiting.set()
        while True:
            await self._connected.wait()
            await self._waiting.wait()
            self._waiting.clear()
            try:
                await self._drain()
                self._throttled.settle()
            except Exception as error:  # noqa: BLE001  # without this task nothing leaves any more
                self._waiting.set()
                said = str(error) if isinstance(error, DSkityError) else repr(error)
                self._throttled.warn(f"the outbox waits: {said}")
                await self._clock.sleep(_PAUSE)

    async def _drain(self) -> None:
        """Send page after page until nothing waits."""
        await self._follow_the_clock()
        await self._examine()
        limit = _PAGE
        while True:
            offset = self._offset  # that of the page's stamps
            page = await self.spool.page(self._gone_to, limit)
            if not page:
                break
            now = self._clock.monotonic() + offset
            self._drop_what_is_over(page, now)
            waiting = {stored.id: stored for stored in page if stored.id not in self._gone}
            picked = [waiting[id] for id in self._poison.pick(tuple(waiting))]
            limit = _PAGE if len(picked) == len(waiting) else _FEW
            connection = self._connections
            outcomes = await asyncio.gather(
                *(tasks.contained(partial(self._one, stored, now)) for stored in picked),
                return_exceptions=True,
            )
            self._note(page, picked, outcomes)
            await self._judge(connection, picked, outcomes)
            with contextlib.suppress(StoreUnavailable):  # a full disk holds up no message
                await self._remove()
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
        await self._remove()

    def _note(
        self, page: list[Stored], picked: list[Stored], outcomes: list[bool | BaseException]
    ) -> None:
        """Remember what has left."""
        self._gone.update(
            stored.id for stored, outcome in zip(picked, outcomes, strict=True) if outcome is True
        )
        for stored in page:
            if stored.id not in self._gone:
                break
            self._gone_to = stored.id

    async def _judge(
        self,
        connection: int,
        picked: list[Stored],
        outcomes: list[bool | BaseException],
    ) -> None:
        """Set aside what ends each connection that it is sent on."""
        sent = [stored.id for stored in picked]
        if not any(isinstance(outcome, NotConnected) for outcome in outcomes):
            passed = [id for id, outcome in zip(sent, outcomes, strict=True) if outcome is True]
            if passed:  # what was refused may never have been on the connection
                self._poison.passed(passed)
        elif self._ended != connection:  # else it was gone before these were sent
            self._ended = connection
            unsure = zip(picked, outcomes, strict=True)
            if self._poison.ended(sent, self._clock.monotonic()):
                await self._blame(picked[0], outcomes[0])
            elif self._poison.cornered(sent):
                self._cornered = [one for one, end in unsure if isinstance(end, NotConnected)]

    async def _blame(self, stored: Stored, outcome: bool | BaseException) -> None:
        """Set aside what was alone when connection after connection ended."""
        if self._poison.proved(stored.id):
            silent = isinstance(outcome, Unacknowledged)
            await self._set_aside(stored, _UNANSWERED if silent else _HANGS_UP)
        elif isinstance(outcome, Unacknowledged):
            return  # the broker acknowledges nothing: that is no fault of the message
        else:
            await self._set_aside(stored, _MAYBE)
        self._poison.forget(stored.id)

    async def _examine(self) -> None:
        """Try those that may have ended the connection on another one; see `quarantine.py`."""
        cornered, self._cornered = self._cornered, []
        if self._quarantine is None or not cornered:
            return
        now = self._clock.monotonic() + self._offset
        alive = [stored for stored in cornered if not self._is_over(stored, now)]
        verdicts = await self._quarantine.examine([_with_rest(stored, now) for stored in alive])
        proof = self._tells_refusals()
        for stored, verdict in zip(alive, verdicts, strict=True):
            if verdict is Verdict.GUILTY:
                await self._set_aside(stored, _HANGS_UP)
            elif verdict is Verdict.PASSED and proof:
                self.sent += 1
                self._gone.add(stored.id)
            else:
                continue
            self._poison.forget(stored.id)
        if Verdict.UNKNOWN not in verdicts:
            self._poison.released()
        await self._remove()

    def _connection(self) -> int | None:
        return self._connections if self._connected.is_set() else None

    async def _set_aside(
        self, stored: Stored, reason: str, cause: BaseException | None = None
    ) -> None:
        """Keep what can never be sent out of the way of the others."""
        message = stored.message
        _logger.error(
            "the outbox sets a message of %s (%d bytes) aside: %s",
            message.topic,
            len(message.payload),
            reason,
            exc_info=cause,
        )
        await self.spool.refuse(stored.id, reason)
        self.refused += 1

    async def _remove(self) -> None:
        """Delete what has left. Until it is deleted it counts as waiting, so that nothing passes
        what does wait."""
        gone, self._gone = self._gone, set()
        try:
            if gone:
                await self.spool.remove(tuple(gone))
        except StoreUnavailable:
            self._gone = gone
            raise

    async def _one(self, stored: Stored, now: float) -> bool:
        """Send one; whether the broker has it, else it is set aside."""
        assert self._send is not None  # noqa: S101  # set before the task began
        message = _with_rest(stored, now)
        try:
            check_message(message)  # an earlier version may have let it in
            await self._send(message)
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            if _may_pass(error):
                raise
            cause = None if isinstance(error, DSkityError) else error
            await self._set_aside(stored, f"{type(error).__name__}: {error}", cause)
            return False
        self.sent += 1
        return True

    def _drop_what_is_over(self, page: list[Stored], now: float) -> None:
        for stored in page:
            if stored.id in self._gone or not self._is_over(stored, now):
                continue
            self.expired += 1
            if stored.expires_at is None:
                self._losses.warn("the outbox drops messages that are older than its `max_age`")
            self._gone.add(stored.id)
            self._poison.forget(stored.id)

    def _is_over(self, stored: Stored, now: float) -> bool:
        too_old = self._max_age is not None and now - stored.put_at > self._max_age
        return too_old or (stored.expires_at is not None and stored.expires_at <= now)


def _with_rest(stored: Stored, now: float) -> Message:
    """The message with what is left of its time."""
    if stored.expires_at is None:
        return stored.message
    return replace(stored.message, expires_in=stored.expires_at - now)


def _may_pass(error: BaseException) -> bool:
    """Whether the same message may be taken later; else it must not hold up those behind it."""
    if isinstance(error, BrokerRefused):
        return error.reason_code in _FOR_NOW
    return isinstance(error, Unavailable)
