"""Two runtimes have one client id: the broker lets in the newer and throws out the older."""

from __future__ import annotations

import time
from pathlib import Path

from tests.faults.outcome import RESTART, Outcome, Size, longest_pause, reckon
from tests.faults.process import settings, worker
from tests.faults.publisher import Publisher
from tests.faults.watching import reaches, settles
from tests.faults.worker import Spec
from tests.servers import mosquitto

_SAYS = "common.mqtt.client_id"
_MOST = 20  # connections until it is plain whom the broker does not want


async def one_client_id(size: Size, folder: Path) -> Outcome:
    """Each has a `state_dir` of its own, else the second would not start."""
    first, second = folder / "first", folder / "second"
    with mosquitto() as broker:
        publisher = Publisher(broker.port)
        with worker(first, Spec(settings(first, broker.port), {})) as older:
            await reaches(lambda: older.lives, 1)
            with worker(second, Spec(settings(second, broker.port), {})) as newer:
                await reaches(lambda: newer.connections, 1)
                await reaches(lambda: (older.log + newer.log).count(_SAYS), 1)
                since = time.monotonic()
                await publisher.publish(range(size.messages))
                await settles(publisher.accepted, older.handled, newer.handled)
                connections = older.connections + newer.connections
    counts = older.handled.counts + newer.handled.counts
    return reckon(
        publisher.accepted,
        counts,
        pause=longest_pause(since, older.handled.moments, newer.handled.moments, allowed=RESTART),
        note=f"{connections} connections until one gave way",
        wrong=(f"{connections} connections",) if connections > _MOST else (),
    )
