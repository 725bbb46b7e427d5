"""Request and reply over mosquitto, between two processes."""

from __future__ import annotations

from functools import partial

from benchmarks.broker import mosquitto
from benchmarks.figures import Measured, Table
from benchmarks.harness import Sample, child, in_turn
from benchmarks.options import Options


async def run(options: Options) -> Table:
    """Milliseconds from the request to its reply, both at QoS 1, one after another."""
    requests = options.share(0.015)
    samples = await in_turn(
        options.rounds,
        {
            "bus.request → bus handler": partial(exchange, requests, bare=False),
            "bare mqttium ping-pong": partial(exchange, requests, bare=True),
        },
    )
    p50 = [Measured(f"{name}, p50", "ms", taken, key="p50") for name, taken in samples.items()]
    p99 = [Measured(f"{name}, p99", "ms", taken, key="p99") for name, taken in samples.items()]
    p50[0].at_most(1.5, "× bare", p50[0].median / p50[1].median)
    p99[0].at_most(3, "× bare", p99[0].median / p99[1].median)
    return Table("request", "Request and reply", [*p50, *p99])


async def exchange(requests: int, *, bare: bool) -> Sample:
    """One run of a requester and a responder."""
    async with (
        mosquitto() as port,
        child("inside.responder", port=port, bare=bare) as responder,
    ):
        await responder.ready()
        async with child("inside.pingpong", port=port, bare=bare, requests=requests) as requester:
            return await requester.result()
