"""One of many routes: CPU µs a message, for topics that were seen before and for new ones."""

from __future__ import annotations

import asyncio

from benchmarks.child import Stopwatch, arguments, report
from benchmarks.houses import MemoryHouse, in_memory
from benchmarks.workload import Reading, payload
from dskity.bus.message import Message

_BATCH = 500


class Handled:
    """The handler of all routes."""

    def __init__(self) -> None:
        self.count = 0

    async def __call__(self, reading: Reading) -> None:
        """One more."""
        del reading
        self.count += 1


async def main(routes: int, messages: int) -> None:
    """The process."""
    handler = Handled()
    async with in_memory() as house:
        for number in range(routes):
            await house.bus.subscribe(f"plant/{number}/+/telemetry", handler, qos=0)
        topics = [f"plant/{i * routes // 200 % routes}/s{i}/telemetry" for i in range(200)]
        seen = [Message(topic, payload(i), 0) for i, topic in enumerate(topics)]
        await _cpu(house, handler, seen)  # the first time, every topic is new
        known = await _cpu(house, handler, seen * (messages // len(seen)))
        made = [f"plant/{i % routes}/n{i}/telemetry" for i in range(messages)]
        new = await _cpu(house, handler, [Message(topic, payload(0), 0) for topic in made])
    report({"known": known, "new": new})


async def _cpu(house: MemoryHouse, handler: Handled, messages: list[Message]) -> float:
    handler.count = 0
    watch = Stopwatch()
    for start in range(0, len(messages), _BATCH):
        batch = messages[start : start + _BATCH]
        for message in batch:
            house.broker.publish(message)
        while handler.count < start + len(batch):
            await asyncio.sleep(0)
    return watch.per(len(messages))["cpu"]


if __name__ == "__main__":
    given = arguments()
    asyncio.run(main(given["routes"], given["messages"]))
