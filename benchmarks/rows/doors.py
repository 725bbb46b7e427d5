"""The doors: publishing over HTTP and gRPC, and a signed webhook, beside an empty FastAPI route."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from benchmarks.broker import mosquitto
from benchmarks.figures import Measured, Table
from benchmarks.harness import Child, Measure, Sample, alone, child, in_turn
from benchmarks.options import Options


async def run_http(options: Options) -> Table:
    """Requests a second on sixteen keep-alive connections; a publish is at QoS 1, to mosquitto."""
    count = options.share(0.02)
    async with _doors() as (runtime, ports):

        def load(kind: str) -> Measure:
            port = ports["empty" if kind == "empty" else "http"]
            return partial(_loaded, runtime, "inside.http_load", count, port=port, kind=kind)

        samples = await in_turn(
            options.rounds,
            {
                "POST /topics/…": load("publish"),
                "POST /webhooks/github": load("webhook"),
                "empty FastAPI route": load("empty"),
            },
        )
    publish, webhook, empty = (
        Measured(name, "requests/s", taken) for name, taken in samples.items()
    )
    publish.at_least(0.6, "× empty route", publish.median / empty.median)
    webhook.at_least(0.35, "× empty route", webhook.median / empty.median)
    return Table("http", "HTTP", [publish, webhook, empty])


async def run_grpc(options: Options) -> Table:
    """Publishes a second at QoS 1 to mosquitto."""
    count = options.share(0.01)
    async with _doors() as (runtime, ports):
        load = partial(_loaded, runtime, "inside.grpc_load", count, port=ports["grpc"])
        samples = await in_turn(
            options.rounds,
            {
                "Bus.Publish, 16 callers": partial(load, stream=False),
                "Bus.PublishStream": partial(load, stream=True),
            },
        )
    return Table(
        "grpc", "gRPC", [Measured(n, "publishes/s", taken) for n, taken in samples.items()]
    )


async def _loaded(runtime: Child, module: str, count: int, **load: Any) -> Sample:
    """The load's figures, and CPU µs of the runtime a request, those of the warm-up included."""
    before = runtime.cpu_seconds()
    sample = await alone(module, count=count, **load)
    return {**sample, "cpu": (runtime.cpu_seconds() - before) / (count + sample["warm_up"]) * 1e6}


@contextlib.asynccontextmanager
async def _doors() -> AsyncIterator[tuple[Child, dict[str, int]]]:
    """A runtime on a broker, and the ports of its doors."""
    async with mosquitto() as broker, child("inside.runtime", broker=broker) as runtime:
        yield runtime, await runtime.ready()
