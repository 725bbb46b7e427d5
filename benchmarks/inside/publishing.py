"""Callers that publish, to the broker or, while it is away, to the outbox, which then empties."""

from __future__ import annotations

import asyncio

from benchmarks.child import Stopwatch, arguments, ready, report
from benchmarks.houses import on_broker
from benchmarks.workload import TOPICS, payload
from dskity.bus.bus import Bus

_POLL = 0.001  # seconds between two looks at the outbox
_PATIENCE = 60.0  # seconds until the connection is there: the pauses between attempts grow


async def main(port: int, callers: int, messages: int, *, away: bool) -> None:
    """The process."""
    async with on_broker(port, "bench-publisher", away=away) as bus:
        watch = Stopwatch()
        await _publish(bus, callers, messages)
        figures = watch.per(messages)
        if away:
            ready()
            figures |= await _drained(bus, messages)
    report(figures)


async def _publish(bus: Bus, callers: int, messages: int) -> None:
    async def call(first: int) -> None:
        for number in range(first, messages, callers):
            await bus.publish(TOPICS[number % len(TOPICS)], payload(0))

    async with asyncio.TaskGroup() as group:
        for first in range(callers):
            group.create_task(call(first), name=f"caller-{first}")


async def _drained(bus: Bus, messages: int) -> dict[str, float]:
    """From the connection until the broker has all and the file nothing."""
    assert bus.outbox is not None
    await bus.link.wait_connected(_PATIENCE)
    watch = Stopwatch()
    while not bus.outbox.empty:  # noqa: ASYNC110  # it tells nobody when
        await asyncio.sleep(_POLL)
    figures = watch.per(messages)
    return {"drain_rate": figures["rate"], "drain_cpu": figures["cpu"]}


if __name__ == "__main__":
    given = arguments()
    asyncio.run(main(given["port"], given["callers"], given["messages"], away=given["away"]))
