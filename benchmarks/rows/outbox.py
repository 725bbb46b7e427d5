"""The outbox: publishes that wait on the disk for the broker, and their way to it."""

from __future__ import annotations

from functools import partial

from benchmarks.broker import free_port, mosquitto
from benchmarks.figures import Measured, Table, figure
from benchmarks.harness import Sample, child, in_turn
from benchmarks.options import Options

_SHARES = {1: 0.01, 50: 0.1}  # callers at once, and their part of the messages


async def run(options: Options) -> Table:
    """Publishes a second at QoS 1, each awaited: to the broker, to the disk, and out of it."""
    things = {
        f"{_who(callers)} {where}": partial(
            _published, callers, options.share(part), away=where == "to the disk"
        )
        for callers, part in _SHARES.items()
        for where in ("to the broker", "to the disk")
    }
    samples = await in_turn(options.rounds, things)
    measured = [Measured(name, "msg/s", taken) for name, taken in samples.items()]
    for direct, stored in zip(measured[::2], measured[1::2], strict=True):
        stored.notes.append(f"{figure(stored.median / direct.median)} × to the broker")
    drained = Measured(
        "out of the outbox, once the broker is there",
        "msg/s",
        measured[-1].samples,
        "drain_rate",
        "drain_cpu",
    )
    return Table(
        "outbox", "The outbox", [*measured, drained], "QoS 1; each commit waits for the disk"
    )


def _who(callers: int) -> str:
    return "one publisher" if callers == 1 else f"{callers} at once"


async def _published(callers: int, messages: int, *, away: bool) -> Sample:
    port = free_port()
    given = {"port": port, "callers": callers, "messages": messages, "away": away}
    if not away:
        async with mosquitto(port=port), child("inside.publishing", **given) as publisher:
            return await publisher.result()
    async with child("inside.publishing", **given) as publisher:
        await publisher.ready()
        async with mosquitto(port=port):
            return await publisher.result()
