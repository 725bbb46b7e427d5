"""One runtime of a group, whose members share the messages of a filter."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.child import arguments, cpu_seconds, ready, report
from benchmarks.houses import on_broker
from benchmarks.progress import Progress
from benchmarks.workload import FILTER, Reading

_COMPUTED = 35_000  # steps of a loop, about half a millisecond
_WAITED = 0.01  # seconds
_POLL = 0.01  # seconds between two looks at what all members have handled
_QUIET = 3.0  # seconds without a message after which the rest is lost


class Share:
    """What this member has handled; times are of the clock that all processes share."""

    def __init__(self, progress: Progress) -> None:
        self.count = 0
        self.first = self.last = time.monotonic()
        self.cpu = 0.0
        self._progress = progress

    def seen(self) -> None:
        """One more message was handled."""
        self.last = time.monotonic()
        if not self.count:
            self.first, self.cpu = self.last, cpu_seconds()
        self.count += 1
        self._progress.tell(self.count)

    async def finished(self, expected: int) -> None:
        """Return when the members together have all, or no more come."""
        told, quiet_from = 0, time.monotonic() + 10 * _QUIET
        while told < expected and time.monotonic() < quiet_from:
            await asyncio.sleep(_POLL)
            if (now := self._progress.told()) != told:
                told, quiet_from = now, time.monotonic() + _QUIET

    def result(self) -> dict[str, float]:
        """For the row to add up."""
        cpu = cpu_seconds() - self.cpu
        return {"count": self.count, "first": self.first, "last": self.last, "cpu": cpu}


def handler(share: Share, kind: str) -> Callable[[Reading], Awaitable[None]]:
    """One that computes, one that waits, and one that does neither."""

    async def compute(reading: Reading) -> None:
        del reading
        sum(range(_COMPUTED))
        share.seen()

    async def wait(reading: Reading) -> None:
        del reading
        await asyncio.sleep(_WAITED)
        share.seen()

    async def end(reading: Reading) -> None:
        del reading
        share.seen()

    return {"computes": compute, "waits": wait, "short": end}[kind]


async def main(port: int, member: int, kind: str, messages: int, progress: Path) -> None:
    """The process."""
    share = Share(Progress(progress, member))
    async with on_broker(port, f"bench-member-{member}") as bus:
        await bus.subscribe(FILTER, handler(share, kind), group="bench")
        ready()
        await share.finished(messages)
        report(share.result())


if __name__ == "__main__":
    given = arguments()
    asyncio.run(
        main(
            given["port"],
            given["member"],
            given["kind"],
            given["messages"],
            Path(given["progress"]),
        )
    )
