"""One of many routes: CPU µs a message, for topics that were seen before and for new ones."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from benchmarks.child import arguments, report
from benchmarks.houses import in_memory
from benchmarks.inside.counted import Counted
from benchmarks.workload import payload
from dskity.bus.message import Message

_TOPICS = 200


async def main(routes: int, messages: int) -> None:
    """The process."""
    counted = Counted()
    async with in_memory() as house:
        for number in range(routes):
            await house.bus.subscribe(f"plant/{number}/+/telemetry", counted.handle, qos=0)

        async def publish(batch: Sequence[Message]) -> None:
            for message in batch:
                house.broker.publish(message)

        few = [_message(i * routes // _TOPICS % routes, f"s{i}") for i in range(_TOPICS)]
        await counted.time(publish, few)  # the first time, every topic is new
        known = await counted.time(publish, few * (messages // _TOPICS))
        new = await counted.time(publish, [_message(i % routes, f"n{i}") for i in range(messages)])
    report({"known": known["cpu"], "new": new["cpu"]})


def _message(plant: int, sensor: str) -> Message:
    return Message(f"plant/{plant}/{sensor}/telemetry", payload(0), 0)


if __name__ == "__main__":
    given = arguments()
    asyncio.run(main(given["routes"], given["messages"]))
