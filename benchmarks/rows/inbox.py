"""`ack="stored"` beside `handled`, on the window of 20 that mosquitto has where nobody sets it.

By MQTT 3.1.1: where an MQTT 5 client names a larger window, as DSkity does, mosquitto obeys.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from benchmarks.broker import mosquitto
from benchmarks.figures import Measured, Table, figure
from benchmarks.harness import Sample, child, in_turn
from benchmarks.options import Options
from benchmarks.rows.consuming import Peer, consume

_WINDOW = 20
_OLD = "3.1.1"
_HELD = 1.0  # seconds that one handler takes, while others are counted
_ACKS = ("handled", "stored")

PEERS = (
    *(
        Peer(f"{ack}, short handler", "inside.policies", 0.1, {"ack": ack, "protocol": _OLD})
        for ack in _ACKS
    ),
    *(
        Peer(
            f"{ack}, handler waits 5 ms",
            "inside.policies",
            0.1,
            {"ack": ack, "protocol": _OLD, "takes": 0.005},
        )
        for ack in _ACKS
    ),
)
HELD = {
    f"others, while one handler takes {_HELD:g} s: {ack}{by}": (ack, protocol)
    for ack, by, protocol in (
        ("handled", "", _OLD),
        ("stored", "", _OLD),
        ("handled", ", MQTT 5", "5"),
    )
}


async def run(options: Options) -> Table:
    """Messages a second at QoS 1 to the handler's end, and what a slow handler holds up."""
    samples = await in_turn(
        options.rounds,
        {peer.name: partial(consume, peer, 1, options.share(peer.part), _WINDOW) for peer in PEERS}
        | {
            name: partial(_held, ack, protocol, options.messages)
            for name, (ack, protocol) in HELD.items()
        },
    )
    measured = [Measured(peer.name, "msg/s", samples[peer.name]) for peer in PEERS]
    for handled, stored in zip(measured[::2], measured[1::2], strict=True):
        stored.notes.append(f"{figure(stored.median / handled.median)} × handled")
    measured += [Measured(name, "msg/s", samples[name], "meanwhile", None) for name in HELD]
    return Table("inbox", "The inbox", measured, "QoS 1 by MQTT 3.1.1, on a window of 20")


async def _held(ack: str, protocol: str, messages: int) -> Sample:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        given = {"messages": messages, "progress": str(Path(folder) / "progress")}
        async with (
            mosquitto(window=_WINDOW) as port,
            child(
                "inside.held", port=port, ack=ack, protocol=protocol, seconds=_HELD, **given
            ) as consumer,
        ):
            await consumer.ready()
            async with child("publisher", port=port, qos=1, **given):
                sample: Sample = await consumer.result()
    return {"meanwhile": sample["meanwhile"] / _HELD}
