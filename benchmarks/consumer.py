"""What every consumer process does, whatever its library: subscribe, count, report.

A peer gives a coroutine function that connects, subscribes, says `ready()`, handles readings by
`handle`, and awaits `meter.finished()`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.child import Stopwatch, arguments, report
from benchmarks.progress import Progress
from benchmarks.workload import Reading

_STEP = 128  # messages between two reports of progress
_LONG_STEP = 16 * _STEP  # between two readings of the clocks: getrusage may cost 100 µs
_PATIENCE = 30.0  # seconds for the first message
_QUIET = 3.0  # seconds without a message after which the rest is lost


class Meter:
    """Counts messages; from the first one on it measures time and CPU, at every step."""

    def __init__(self, expected: int, progress: Progress) -> None:
        self.count = 0
        self._expected = expected
        self._progress = progress
        self._next = 1
        self._watch: Stopwatch | None = None
        self._figures = {"rate": 0.0, "cpu": 0.0}
        self._done = asyncio.Event()

    def seen(self) -> None:
        """One more message was handled."""
        self.count += 1
        if self.count == self._next:
            self._mark()

    def _mark(self) -> None:
        self._next = min(self.count - self.count % _STEP + _STEP, self._expected)
        self._progress.tell(self.count)
        if self._watch is None:
            self._watch = Stopwatch()
        elif self.count % _LONG_STEP == 0 or self.count == self._expected:
            self._figures = self._watch.per(self.count - 1)
        if self.count == self._expected:
            self._done.set()

    async def finished(self) -> None:
        """Return when all messages have come, or no more do."""
        patience = _PATIENCE
        while not self._done.is_set():
            before = self.count
            try:
                async with asyncio.timeout(patience):
                    await self._done.wait()
            except TimeoutError:
                if self.count == before:
                    return
            patience = _QUIET

    def result(self) -> dict[str, float]:
        """Rate, CPU a message, and how many were lost."""
        return self._figures | {"lost": self._expected - self.count}


Consume: TypeAlias = Callable[[int, int, Meter], Awaitable[None]]
"""Takes the broker's port, the QoS and the meter."""


def handler(meter: Meter) -> Callable[[Reading], Awaitable[None]]:
    """The user's handler, the same for every peer: typed, asynchronous, and short."""

    async def handle(reading: Reading) -> None:
        del reading
        meter.seen()

    return handle


async def until_finished(loop: Coroutine[Any, Any, None], meter: Meter) -> None:
    """Run a client's loop in a task until the meter has all."""
    task = asyncio.create_task(loop, name="consumer")
    await meter.finished()
    task.cancel()
    await asyncio.wait((task,))


def main(consume: Consume) -> None:
    """The process."""
    given = arguments()
    asyncio.run(_measured(consume, given["port"], given["qos"], given))


async def _measured(consume: Consume, port: int, qos: int, given: dict[str, str]) -> None:
    meter = Meter(int(given["messages"]), Progress(Path(given["progress"])))
    await consume(port, qos, meter)
    report(meter.result())
