"""Publishes that wait on the disk for the broker: kept in order, sent when it is back.

A message leaves the disk when the broker has acknowledged it, so a crash in the middle sends some
twice and none never. Sending in the order of the file on one connection keeps the order of each
topic: the broker acknowledges in that order too, so what a broken connection leaves is the rest.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from dskity.bus.clock import SYSTEM_CLOCK, Clock
from dskity.bus.errors import BrokerRefused, DSkityError, TooLarge, Unsupported
from dskity.bus.message import Message
from dskity.bus.spool import Bounds, Spool, Stored

Send: TypeAlias = Callable[[Message], Awaitable[object]]
"""Returns when the broker has acknowledged; `NotConnected` where it is away."""

_PAGE = 200  # messages sent at once; the broker's window of 100 to 1,000 is the real limit
_PAUSE = 1.0  # seconds before another try while connected: the broker said no for now
_FOR_EVER = (BrokerRefused, TooLarge, Unsupported)
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
        self.spool = Spool(path, what="the outbox", bounds=bounds)
        self.sent = 0
        self.expired = 0
        self.refused = 0
        self._max_age = max_age
        self._clock = clock
        self._send: Send | None = None
        self._connected = asyncio.Event()
        self._waiting = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing waits, so that a publish may go straight to the broker."""
        return self.spool.messages == 0

    async def open(self, send: Send) -> None:
        """Open the file and begin to send what is in it, whenever the broker is there."""
        await self.spool.open()
        self._send = send
        if not self.empty:
            _logger.info("%d messages wait in the outbox", self.spool.messages)
            self._waiting.set()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="outbox")

    async def close(self) -> None:
        """Stop sending; what has not left stays for the next time."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)  # our own cancellation passes
            self._task = None
        await self.spool.close()

    async def put(self, message: Message) -> None:
        """Keep a message; it is safe when this returns. Raises `OutboxFull`, `StoreUnavailable`."""
        try:
            await self.spool.put([message], self._clock.time())
        finally:
            self._waiting.set()  # cancelled, it may be on the disk all the same

    def link_changed(self, connected: bool, *, resumed: bool) -> None:
        """See `link.Watcher`."""
        del resumed
        if connected:
            self._connected.set()
        else:
            self._connected.clear()

    async def _run(self) -> None:
        while True:
            await self._connected.wait()
            await self._waiting.wait()
            self._waiting.clear()
            try:
                await self._drain()
            except DSkityError as error:
                self._waiting.set()
                _logger.warning("the outbox waits: %s", error)
                await self._clock.sleep(_PAUSE)

    async def _drain(self) -> None:
        """Send page after page until the file is empty."""
        while page := await self.spool.page(0, _PAGE):
            outcomes = await asyncio.gather(*map(self._one, page), return_exceptions=True)
            done = [s.id for s, outcome in zip(page, outcomes, strict=True) if outcome is True]
            if done:
                await self.spool.remove(done)
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome

    async def _one(self, stored: Stored) -> bool:
        """Send one; whether it need not be kept any more."""
        assert self._send is not None  # noqa: S101  # set before the task began
        now = self._clock.time()
        if self._is_over(stored, now):
            self.expired += 1
            return True
        message = stored.message
        if stored.expires_at is not None:
            message = replace(message, expires_in=stored.expires_at - now)
        try:
            await self._send(message)
        except _FOR_EVER as error:
            self.refused += 1
            _logger.warning("the outbox keeps a message of %s: %s", message.topic, error)
            await self.spool.refuse(stored.id, f"{type(error).__name__}: {error}")
            return False
        self.sent += 1
        return True

    def _is_over(self, stored: Stored, now: float) -> bool:
        too_old = self._max_age is not None and now - stored.put_at > self._max_age
        return too_old or (stored.expires_at is not None and stored.expires_at <= now)
