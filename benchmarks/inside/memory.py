"""In memory: from a publish to the end of a typed handler, and what of that is the runtime.

Once with messages made beforehand, so that only the transport and the runtime are measured; take
off what decoding and the handler cost alone, and what is left is transport, routing, dispatch and
outcome. And once, `whole`, by `bus.publish`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from benchmarks.child import Stopwatch, arguments, report
from benchmarks.houses import in_memory
from benchmarks.inside.counted import Counted
from benchmarks.workload import FILTER, TOPICS, Reading, payload
from dskity.bus.message import Message


async def main(messages: int) -> None:
    """The process."""
    made = [Message(topic, payload(i), 0) for i, topic in enumerate(TOPICS)]
    sent = [made[i % len(made)] for i in range(messages)]
    counted = Counted()
    async with in_memory() as house:
        await house.bus.subscribe(FILTER, counted.handle, qos=0)

        async def by_bus(batch: Sequence[Message]) -> None:
            for message in batch:
                await house.bus.publish(message.topic, message.payload, qos=0)

        async def by_transport(batch: Sequence[Message]) -> None:
            for message in batch:
                house.broker.publish(message)

        whole = await counted.time(by_bus, sent)
        inner = await counted.time(by_transport, sent)
    alone = await _alone(Counted().handle, sent)
    report(
        {
            "rate": inner["rate"],
            "cpu": inner["cpu"],
            "whole_rate": whole["rate"],
            "whole_cpu": whole["cpu"],
            "runtime": inner["cpu"] - alone["cpu"],
        }
    )


async def _alone(
    handle: Callable[[Reading], Awaitable[None]], messages: Sequence[Message]
) -> dict[str, float]:
    """Decoding and the handler, without anything round them."""
    watch = Stopwatch()
    for message in messages:
        await handle(Reading.model_validate_json(message.payload))
    return watch.per(len(messages))


if __name__ == "__main__":
    asyncio.run(main(arguments()["messages"]))
