"""A consumer whose route has a policy of its own."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.child import arguments, ready
from benchmarks.consumer import Meter, handler, main
from benchmarks.houses import on_broker
from benchmarks.workload import FILTER, Reading
from dskity.bus.message import Message
from dskity.handlers.dedupe import Dedupe


async def consume(port: int, qos: int, meter: Meter) -> None:
    """See `Consume`; `takes` are the seconds that the handler waits."""
    given = arguments()
    protocol = given.get("protocol", "auto")
    async with on_broker(port, "bench-dskity", protocol=protocol) as bus:
        takes = given.get("takes")
        handle = waiting(meter, takes) if takes else handler(meter)
        await bus.subscribe(FILTER, handle, qos=qos, **_policy(given))
        ready()
        await meter.finished()


def waiting(meter: Meter, seconds: float) -> Callable[[Reading], Awaitable[None]]:
    """A handler that asks somebody else."""

    async def wait(reading: Reading) -> None:
        del reading
        await asyncio.sleep(seconds)
        meter.seen()

    return wait


def _policy(given: dict[str, Any]) -> dict[str, Any]:
    policy: dict[str, Any] = {"ack": given.get("ack", "handled")}
    if given.get("dedupe"):
        policy["dedupe"] = Dedupe(_new_key())
    return policy


def _new_key() -> Callable[[Message], str]:
    """Each message is a new one, as nearly all are in the field."""
    numbers = itertools.count()
    return lambda _: f"sensor-{next(numbers):08}"


if __name__ == "__main__":
    main(consume)
