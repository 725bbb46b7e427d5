"""What middleware costs, in memory: so many links round a handler that ends at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from benchmarks.child import arguments, report
from benchmarks.houses import in_memory
from benchmarks.inside.counted import Counted
from benchmarks.workload import TOPICS, payload
from dskity.bus.message import Message
from dskity.bus.middleware import Call, Next


async def link(call: Call, message: Message, next: Next) -> Any:
    """Passes it on."""
    return await next(call, message)


async def main(messages: int, filter: str, links: int) -> None:
    """The process."""
    made = [Message(topic, payload(i), 0) for i, topic in enumerate(TOPICS)]
    counted = Counted()
    async with in_memory() as house:

        async def publish(batch: Sequence[Message]) -> None:
            for message in batch:
                house.broker.publish(message)

        await house.bus.subscribe(filter, counted.handle, qos=0, middleware=[link] * links)
        await counted.time(publish, made)  # the first time, every topic is new
        report(await counted.time(publish, [made[i % len(made)] for i in range(messages)]))


if __name__ == "__main__":
    given = arguments()
    asyncio.run(main(given["messages"], given["filter"], given["links"]))
