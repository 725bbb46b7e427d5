"""What `order_by` costs, in memory: for a handler that ends at once, and for one that suspends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from benchmarks.child import arguments, report
from benchmarks.houses import in_memory
from benchmarks.inside.counted import Counted
from benchmarks.workload import TOPICS, payload
from dskity.bus.message import Message

_FILTER = "bench/{device}/telemetry"


async def main(messages: int, order_by: str | None, *, suspends: bool) -> None:
    """The process."""
    made = [Message(topic, payload(i), 0) for i, topic in enumerate(TOPICS)]
    counted = Counted()
    async with in_memory() as house:

        async def publish(batch: Sequence[Message]) -> None:
            for message in batch:
                house.broker.publish(message)

        handler = counted.suspend if suspends else counted.handle
        await house.bus.subscribe(_FILTER, handler, qos=0, order_by=order_by)
        await counted.time(publish, made)  # the first time, every topic is new
        report(await counted.time(publish, [made[i % len(made)] for i in range(messages)]))


if __name__ == "__main__":
    given = arguments()
    asyncio.run(main(given["messages"], given["order_by"], suspends=given["suspends"]))
