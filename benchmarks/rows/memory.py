"""In memory: the runtime without a wire."""

from __future__ import annotations

from functools import partial

from benchmarks.figures import Measured, Table
from benchmarks.harness import alone, in_turn
from benchmarks.options import Options


async def run(options: Options) -> Table:
    """Messages a second from `bus.publish` to the handler's end; the runtime's part in µs."""
    messages = options.share(0.5, 1000)
    samples = await in_turn(
        options.rounds, {"memory": partial(alone, "inside.memory", messages=messages)}
    )
    whole = Measured("bus.publish → typed handler", "msg/s", samples["memory"])
    whole.at_least(200_000, "msg/s", whole.median)
    runtime = Measured("runtime alone", "µs/msg", samples["memory"], key="runtime", cpu_key=None)
    runtime.at_most(6, "µs CPU", runtime.median)
    return Table("memory", "In memory", [whole, runtime])
