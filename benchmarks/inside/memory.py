"""In memory: from a publish to the end of a typed handler, and what of that is the runtime.

`whole` publishes by `bus.publish`. `runtime` gives the broker messages made beforehand and takes
off what decoding and the handler cost alone, so what is left is routing, dispatch and outcome.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from benchmarks.child import Stopwatch, arguments, report
from benchmarks.houses import in_memory
from benchmarks.workload import FILTER, TOPICS, Reading, payload
from dskity.bus.message import Message

_BATCH = 500  # below the bound on messages in flight, so that nothing is paused


async def main(messages: int) -> None:
    """The process."""
    count = 0

    async def handle(reading: Reading) -> None:
        nonlocal count
        del reading
        count += 1

    async def handled(total: int) -> None:
        while count < total:
            await asyncio.sleep(0)

    async with in_memory() as house:
        await house.bus.subscribe(FILTER, handle, qos=0)

        async def publish(batch: list[Message]) -> None:
            for message in batch:
                await house.bus.publish(message.topic, message.payload, qos=0)

        async def hand_over(batch: list[Message]) -> None:
            for message in batch:
                house.broker.publish(message)

        whole = await _timed(publish, messages, handled)
        count = 0
        inner = await _timed(hand_over, messages, handled)
    alone = await _alone(handle, messages)
    report({"rate": whole["rate"], "cpu": whole["cpu"], "runtime": inner["cpu"] - alone["cpu"]})


async def _timed(
    publish: Callable[[list[Message]], Awaitable[None]],
    messages: int,
    handled: Callable[[int], Awaitable[None]],
) -> dict[str, float]:
    made = [Message(topic, payload(i), 0) for i, topic in enumerate(TOPICS)]
    batch = [made[i % len(made)] for i in range(_BATCH)]
    watch = Stopwatch()
    for sent in range(0, messages, _BATCH):
        await publish(batch)
        await handled(sent + _BATCH)
    return watch.per(messages)


async def _alone(handle: Callable[[Reading], Awaitable[None]], messages: int) -> dict[str, float]:
    """Decoding and the handler, without anything round them."""
    payloads = [payload(i) for i in range(len(TOPICS))]
    watch = Stopwatch()
    for i in range(messages):
        await handle(Reading.model_validate_json(payloads[i % len(payloads)]))
    return watch.per(messages)


if __name__ == "__main__":
    asyncio.run(main(arguments()["messages"] // _BATCH * _BATCH))
