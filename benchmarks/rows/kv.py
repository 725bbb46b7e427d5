"""The key-value store `inmemory`, with its events on a bus in memory."""

from __future__ import annotations

from functools import partial

from benchmarks.figures import Measured, Table
from benchmarks.harness import alone, in_turn
from benchmarks.options import Options


async def run(options: Options) -> Table:
    """Writes a second, bytes a key, and how late the events of expired keys are."""
    measure = partial(alone, "inside.kv", writes=options.share(1, 1000), keys=options.keys)
    samples = (await in_turn(options.rounds, {"kv": measure}))["kv"]
    without = Measured("put without TTL", "put/s", samples, "without", "cpu_without")
    with_ttl = Measured("put with TTL", "put/s", samples, "with_ttl", "cpu_with_ttl")
    size = Measured("a key with TTL", "bytes", samples, "bytes")
    late = Measured(f"{options.keys:,} keys expire: event late, p99", "ms", samples, "late")
    without.at_least(300_000, "put/s", without.median)
    with_ttl.at_least(100_000, "put/s", with_ttl.median)
    size.at_most(400, "bytes", size.median)
    late.at_most(50, "ms", late.median)
    return Table("kv", "Key-value store in memory", [without, with_ttl, size, late])
