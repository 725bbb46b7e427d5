"""Middleware that does nothing: none, one, and three of it."""

from __future__ import annotations

from functools import partial

from benchmarks.figures import Measured, Table, figure
from benchmarks.harness import alone, in_turn
from benchmarks.options import Options

_FILTERS = {"": "bench/+/telemetry", ", with a capture": "bench/{device}/telemetry"}
_COUNTS = {"without": 0, "one": 1, "three": 3}


async def run(options: Options) -> Table:
    """Messages a second to the handler's end over the transport in memory."""
    messages = options.share(0.2, 1000)
    samples = await in_turn(
        options.rounds,
        {
            f"{count}{capture}": partial(
                alone,
                "inside.middleware",
                messages=messages,
                filter=_FILTERS[capture],
                links=_COUNTS[count],
            )
            for capture in _FILTERS
            for count in _COUNTS
        },
    )
    measured = [Measured(name, "msg/s", taken) for name, taken in samples.items()]
    for start in range(0, len(measured), len(_COUNTS)):
        without, *others = measured[start : start + len(_COUNTS)]
        for each in others:
            each.notes.append(f"+{figure(each.of('cpu') - without.of('cpu'))} µs CPU")
    return Table("middleware", "Middleware", measured, "in memory; it calls `next` and no more")
