"""In memory: the runtime without a wire."""

from __future__ import annotations

from functools import partial

from benchmarks.figures import Measured, Table
from benchmarks.harness import alone, in_turn
from benchmarks.options import Options


async def run(options: Options) -> Table:
    """Messages a second to the handler's end; the runtime's part in CPU µs a message."""
    messages = options.share(0.5, 1000)
    samples = await in_turn(
        options.rounds, {"memory": partial(alone, "inside.memory", messages=messages)}
    )
    taken = samples["memory"]
    inner = Measured("transport → typed handler", "msg/s", taken)
    inner.at_least(200_000, "msg/s", inner.median)
    whole = Measured("bus.publish → typed handler", "msg/s", taken, "whole_rate", "whole_cpu")
    runtime = Measured("runtime without decode and handler", "µs/msg", taken, "runtime", None)
    runtime.at_most(6, "µs CPU", runtime.median)
    return Table("memory", "In memory", [inner, whole, runtime])
