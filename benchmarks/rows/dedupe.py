"""`dedupe`: a look into the record of keys before the handler, a note in it after."""

from __future__ import annotations

from functools import partial

from benchmarks.figures import Measured, Table, figure
from benchmarks.harness import in_turn
from benchmarks.options import Options
from benchmarks.rows.consuming import Peer, consume

PEERS = (
    Peer("without dedupe", "inside.policies", 0.3),
    Peer("dedupe, each key new", "inside.policies", 0.1, {"dedupe": True}),
)


async def run(options: Options) -> Table:
    """Messages a second at QoS 1 to the handler's end."""
    samples = await in_turn(
        options.rounds,
        {peer.name: partial(consume, peer, 1, options.share(peer.part)) for peer in PEERS},
    )
    without, with_keys = (Measured(name, "msg/s", taken) for name, taken in samples.items())
    with_keys.notes.append(f"{figure(with_keys.median / without.median)} × without")
    return Table("dedupe", "Dedupe", [without, with_keys], "QoS 1; the keys are on the disk")
