"""From one to two runtimes in a `group`, which share the messages of a filter."""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from benchmarks.broker import mosquitto
from benchmarks.figures import Measured, Table, figure
from benchmarks.harness import Sample, child, in_turn
from benchmarks.options import Options

_GOAL = 1.7
_HANDLERS = {  # by their kind: what they do, and their part of the messages
    "computes": ("handler computes for 0.5 ms", 0.03),
    "waits": ("handler waits for 10 ms", 0.1),
    "short": ("short handler", 0.2),
}


async def run(options: Options) -> Table:
    """Messages a second at QoS 1 to the end of the handlers, CPU µs of the members each, and how
    much of the machine the members had: on a busy one two get no more than one."""
    samples = await in_turn(
        options.rounds,
        {
            f"{who}, {does}": partial(_shared, members, kind, options.share(part))
            for kind, (does, part) in _HANDLERS.items()
            for members, who in ((1, "one runtime"), (2, "two runtimes"))
        },
    )
    measured = [Measured(name, "msg/s", taken) for name, taken in samples.items()]
    for each in measured:
        each.notes.append(f"on {figure(each.of('cores'))} cores")
    for kind, one, two in zip(_HANDLERS, measured[::2], measured[1::2], strict=True):
        ratio = two.median / one.median
        if kind == "short":  # the broker is the slower one there
            two.notes.append(f"{figure(ratio)} × one")
        else:
            two.at_least(_GOAL, "× one", ratio)
    return Table("group", "One and two runtimes in a group", measured, "QoS 1")


async def _shared(members: int, kind: str, messages: int) -> Sample:
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
        port = await stack.enter_async_context(mosquitto())
        given = {"port": port, "messages": messages, "progress": str(Path(folder) / "progress")}
        consumers = []
        for member in range(members):
            consumer = child("inside.member", member=member, kind=kind, **given)
            consumers.append(await stack.enter_async_context(consumer))
            await consumers[-1].ready()
        await stack.enter_async_context(child("publisher", qos=1, **given))
        return _together([await consumer.result() for consumer in consumers], messages)


def _together(shares: list[Sample], messages: int) -> Sample:
    handled = sum(share["count"] for share in shares)
    seconds = max(share["last"] for share in shares) - min(share["first"] for share in shares)
    cpu = sum(share["cpu"] for share in shares)
    return {
        "rate": handled / seconds,
        "cpu": cpu / handled * 1e6,
        "cores": cpu / seconds,
        "lost": messages - handled,
    }
