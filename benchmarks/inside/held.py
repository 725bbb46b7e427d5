"""What one slow handler holds up: messages of the other topics that are handled meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from benchmarks.child import arguments, ready, report
from benchmarks.houses import on_broker
from benchmarks.progress import Progress
from benchmarks.workload import TOPICS, Reading


async def main(given: dict[str, Any]) -> None:
    """The process: a slow route on the first topic, with the `ack` of the arguments, and a route on
    all others. It ends `seconds` after the slow handler has begun."""
    progress = Progress(Path(given["progress"]))
    begun = asyncio.Event()
    handled = 0

    async def slow(reading: Reading) -> None:
        del reading
        begun.set()
        await asyncio.sleep(2 * given["seconds"])

    async def short(reading: Reading) -> None:
        del reading
        nonlocal handled
        handled += 1
        progress.tell(handled)

    protocol = given["protocol"]
    async with on_broker(given["port"], "bench-dskity", protocol=protocol) as bus:
        await bus.subscribe(TOPICS[0], slow, ack=given["ack"])
        for topic in TOPICS[1:]:
            await bus.subscribe(topic, short)
        ready()
        await begun.wait()
        before = handled
        await asyncio.sleep(given["seconds"])
        report({"meanwhile": handled - before})


if __name__ == "__main__":
    asyncio.run(main(arguments()))
