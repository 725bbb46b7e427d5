"""Publishes that wait on the disk for the broker: kept in order, sent when it is back.

What waits leaves by `drain.py`; when it may is the table in `outbox_states.py`; how its age is told
is in `stamps.py`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from dskity.bus.base import tasks
from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.base.throttled_log import ThrottledLog
from dskity.bus.errors import DSkityError
from dskity.bus.message import Message, check_message
from dskity.bus.store.drain import Drain, DrainContext, Send, Sender
from dskity.bus.store.hang_ups import HANGS_UP
from dskity.bus.store.outbox_states import CONNECTED, SENDS, Event, State, step
from dskity.bus.store.quarantine import Apart, Quarantine
from dskity.bus.store.spool import Bounds, Spool
from dskity.bus.store.stamps import Stamps

_PAUSE = 1.0  # seconds before another try while connected: broker or disk said no for now
_logger = logging.getLogger(__name__)


class Outbox:
    """`max_age` is in seconds, None for no limit. `state`: see `outbox_states.py`."""

    def __init__(
        self,
        path: Path | None,
        *,
        bounds: Bounds | None = None,
        max_age: float | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.spool = Spool(
            path, what="the outbox", bounds=bounds, collapses=True, refused_for_good=HANGS_UP
        )
        self.state = State.CLOSED
        self._name = "outbox" if path is None else path.stem
        self._context = DrainContext(
            self.spool,
            Stamps(clock, self.spool.move_stamps),
            max_age,
            clock,
            ThrottledLog(_logger, clock),
        )
        self._drain = Drain(self._context)
        self._throttled = ThrottledLog(_logger, clock)
        self._connections = 0  # how many there were
        self._sends = asyncio.Event()  # set in the states of `SENDS`
        self._task: asyncio.Task[None] | None = None

    @property
    def sent(self) -> int:
        """Messages that the broker has acknowledged."""
        return self._drain.sent

    @property
    def expired(self) -> int:
        """Messages that were dropped because their time was over."""
        return self._drain.expired

    @property
    def refused(self) -> int:
        """Messages that were set aside because they can never be sent."""
        return self._drain.refused

    @property
    def empty(self) -> bool:
        """Whether nothing waits, so that a publish may go straight to the broker."""
        return self._drain.empty

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

        What was refused is sent once more: a right or a limit may have been changed since. Retained
        messages are not, for newer ones may be there by now.
        """
        await self.spool.open()
        quarantine = None if apart is None else Quarantine(apart, self._connection)
        sender = Sender(send, quarantine, tells_refusals, lambda: self._connections)
        if not self.empty:
            _logger.info("%d messages wait in the outbox", self.spool.messages)
        self._step(Event.OPEN)
        self._task = tasks.keep_running(
            partial(self._run, sender), name=self._name, clock=self._context.clock
        )

    def release(self) -> None:
        """Begin to send: the receivers in this process are subscribed now."""
        self._step(Event.RELEASE)
        if not self.empty:
            self._step(Event.PUT)

    async def close(self) -> None:
        """Stop sending; what has not left stays for the next time."""
        self._step(Event.CLOSE)
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
        stamps = self._context.stamps
        await stamps.follow_the_clock()
        dropped = self.spool.dropped
        try:
            await self.spool.put([message], stamps.now)
        finally:
            self._step(Event.PUT)  # cancelled, it may be on the disk all the same
        if self.spool.dropped > dropped:
            self._context.losses.warn("the outbox is at its bound: it drops the oldest messages")

    def link_changed(self, connected: bool, *, resumed: bool) -> None:
        """See `link.Watcher`."""
        del resumed
        if connected:
            self._connections += 1
        self._step(Event.CONNECT if connected else Event.DISCONNECT)

    def _step(self, event: Event) -> None:
        self.state = step(self.state, event)
        if self.state in SENDS:
            self._sends.set()
        else:
            self._sends.clear()

    def _connection(self) -> int | None:
        """The number of the present connection."""
        return self._connections if self.state in CONNECTED else None

    async def _run(self, sender: Sender) -> None:
        while True:
            await self._sends.wait()
            try:
                await self._drain.run(sender)
                self._step(Event.DRAINED)
                self._throttled.settle()
            except Exception as error:  # noqa: BLE001  # without this task nothing leaves any more
                self._step(Event.FAILED)
                said = str(error) if isinstance(error, DSkityError) else repr(error)
                self._throttled.warn(f"the outbox waits: {said}")
                await self._context.clock.sleep(_PAUSE)
                self._step(Event.RETRY)
