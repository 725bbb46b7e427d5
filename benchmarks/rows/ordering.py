"""`order_by`: in order by topic, by a capture, or not at all."""

from __future__ import annotations

from functools import partial

from benchmarks.figures import Measured, Table, figure
from benchmarks.harness import alone, in_turn
from benchmarks.options import Options

_KEYS = {"by topic": "topic", "by a capture": "device", "no order": None}
_HANDLERS = {"ends at once": False, "suspends once": True}


async def run(options: Options) -> Table:
    """Messages a second to the handler's end over the transport in memory, on 200 keys."""
    messages = options.share(0.2, 1000)
    samples = await in_turn(
        options.rounds,
        {
            f"{key}, handler {handler}": partial(
                alone,
                "inside.ordering",
                messages=messages,
                order_by=order_by,
                suspends=suspends,
            )
            for handler, suspends in _HANDLERS.items()
            for key, order_by in _KEYS.items()
        },
    )
    measured = [Measured(name, "msg/s", taken) for name, taken in samples.items()]
    for start in range(0, len(measured), len(_KEYS)):
        *ordered, free = measured[start : start + len(_KEYS)]
        for each in ordered:
            each.notes.append(f"{figure(each.of('cpu') / free.of('cpu'))} × no order, by CPU")
    return Table("order", "Order", measured, "in memory, on 200 topics")
