"""The brokers that we run: from one raw socket to another, by the CPU of the broker."""

from __future__ import annotations

import asyncio
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.broker import listening
from benchmarks.figures import Measured, Table
from benchmarks.harness import Sample, child, in_turn
from benchmarks.options import Options

PARTS = {"mosquitto": 0.5, "builtin": 0.3}
"""Of the messages, so that each run takes about as long."""


async def run(options: Options) -> Table:
    """Messages a second, CPU µs of the broker a message, and its memory."""
    things = {
        f"{engine}, QoS {qos}": partial(_through, engine, qos, options.share(part))
        for qos in (0, 1)
        for engine, part in PARTS.items()
    }
    samples = await in_turn(options.rounds, things)
    found = [Measured(name, "msg/s", taken) for name, taken in samples.items()]
    for one in found:
        one.notes.append(f"{one.of('mib'):.0f} MiB at most")
    return Table("brokers", "Brokers, from socket to socket", found)


async def _through(engine: str, qos: int, messages: int) -> Sample:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        given = {"qos": qos, "messages": messages, "progress": str(Path(folder) / "progress")}
        async with child("inside.broker", engine=engine) as broker:
            port = (await broker.ready())["port"]
            await listening(port)
            before = broker.cpu_seconds()
            async with child("inside.raw_consumer", port=port, **given) as consumer:
                await consumer.ready()
                async with child("publisher", port=port, **given):
                    sample = await consumer.result()
            cpu = broker.cpu_seconds() - before
            mib = await asyncio.to_thread(broker.most_memory)
            return sample | {"cpu": cpu / messages * 1e6, "mib": mib / 2**20}
