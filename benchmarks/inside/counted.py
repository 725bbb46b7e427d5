"""Typed handlers that count, and messages handed to it batch by batch."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from benchmarks.child import Stopwatch
from benchmarks.workload import Reading
from dskity.bus.message import Message

BATCH = 500  # below the bound on messages in flight, so that nothing is paused

Publish: TypeAlias = Callable[[Sequence[Message]], Awaitable[None]]


class Counted:
    """Subscribe its `handle`, or its `suspend`."""

    def __init__(self) -> None:
        self._missing = 0
        self._all = asyncio.Event()

    async def handle(self, reading: Reading) -> None:
        """One more."""
        del reading
        self._count()

    async def suspend(self, reading: Reading) -> None:
        """One more, after a turn of the event loop, as a handler that waits for something."""
        del reading
        await asyncio.sleep(0)
        self._count()

    def _count(self) -> None:
        self._missing -= 1
        if self._missing == 0:
            self._all.set()

    async def time(self, publish: Publish, messages: Sequence[Message]) -> dict[str, float]:
        """Rate and CPU from the first publish to the end of the last handler."""
        watch = Stopwatch()
        for start in range(0, len(messages), BATCH):
            batch = messages[start : start + BATCH]
            self._missing = len(batch)
            self._all.clear()
            await publish(batch)
            await self._all.wait()
        return watch.per(len(messages))
