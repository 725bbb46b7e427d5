"""From 10 to 10,000 routes: the cost of a message stays."""

from __future__ import annotations

from functools import partial

from benchmarks.figures import Measured, Table
from benchmarks.harness import alone, in_turn
from benchmarks.options import Options

ROUTES = (10, 100, 1_000, 10_000)
_FLAT = 1.25  # the most that 10,000 routes may cost, in terms of 10


async def run(options: Options) -> Table:
    """CPU µs a message, the handler's decode included, over the transport in memory."""
    messages = options.share(0.2, 1000)
    samples = await in_turn(
        options.rounds,
        {
            f"{routes:,} routes": partial(alone, "inside.routes", routes=routes, messages=messages)
            for routes in ROUTES
        },
    )
    known = [Measured(name, "µs/msg", taken, key="known") for name, taken in samples.items()]
    new = [
        Measured(f"{name}, each topic new", "µs/msg", taken, key="new")
        for name, taken in samples.items()
    ]
    known[-1].at_most(_FLAT, f"× {ROUTES[0]} routes", known[-1].median / known[0].median)
    return Table("routes", "Flat from 10 to 10,000 routes", [*known, *new])
