"""QoS 0 and QoS 1 into a typed handler: DSkity, and the others."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.broker import WINDOW, mosquitto
from benchmarks.figures import Measured, Table, figure
from benchmarks.harness import Sample, child, in_turn
from benchmarks.options import Options


@dataclass(frozen=True, slots=True)
class Peer:
    """A consumer; `part` of the messages makes its run about as long as that of the fastest."""

    name: str
    module: str
    part: float
    arguments: dict[str, Any] = field(default_factory=dict)


PEERS = (
    Peer("DSkity", "peers.dskity_bus", 1),
    Peer("bare mqttium loop", "peers.bare_mqttium", 1),
    Peer("bare aiomqtt loop", "peers.bare_aiomqtt", 0.1),
    Peer("gmqtt", "peers.bare_gmqtt", 0.15),
    Peer("FastStream", "peers.faststream_app", 0.05),
)


async def run(options: Options, qos: int) -> Table:
    """Messages a second that reach the handler, and CPU µs of the consumer a message."""
    samples = await in_turn(
        options.rounds,
        {peer.name: partial(consume, peer, qos, options.share(peer.part)) for peer in PEERS},
    )
    found = {name: Measured(name, "msg/s", taken) for name, taken in samples.items()}
    _set_goals(found, qos)
    acknowledged = ", acknowledged after it" if qos else ""
    return Table(f"qos{qos}", f"QoS {qos} into a typed handler{acknowledged}", [*found.values()])


async def consume(peer: Peer, qos: int, messages: int, window: int = WINDOW) -> Sample:
    """One run of one consumer, with a broker and a publisher of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        given = {"qos": qos, "messages": messages, "progress": str(Path(folder) / "progress")}
        async with (
            mosquitto(window=window) as port,
            child(peer.module, port=port, **given, **peer.arguments) as consumer,
        ):
            await consumer.ready()
            async with child("publisher", port=port, **given):
                return await consumer.result()


def _set_goals(found: dict[str, Measured], qos: int) -> None:
    ours, faststream, bare = found["DSkity"], found["FastStream"], found["bare mqttium loop"]
    ours.at_least(8 if qos else 15, "× FastStream", ours.median / faststream.median)
    ours.at_least(0.6, "× bare mqttium", ours.median / bare.median)
    # DSkity shares two cores with the broker, FastStream does not.
    ratio = faststream.of("cpu") / ours.of("cpu")
    ours.notes.append(f"{figure(ratio)} × FastStream by CPU")
