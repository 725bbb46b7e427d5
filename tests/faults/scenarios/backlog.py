"""A runtime comes back to more than its memory may hold."""

from __future__ import annotations

import time
from pathlib import Path

from tests.faults.load import topic_of
from tests.faults.outcome import RESTART, Outcome, Size, longest_pause, reckon
from tests.faults.process import settings, worker
from tests.faults.publisher import Publisher
from tests.faults.watching import reaches, settles
from tests.faults.worker import Spec
from tests.servers import mosquitto

PAYLOAD = 100_000  # bytes
_MIB = 1024 * 1024
_READ_AHEAD = 16  # MiB that a wire may have read beyond the bound: one of the largest packets
_SLACK = 40  # MiB: decoded payloads, and what the allocator keeps


async def backlog(size: Size, folder: Path, *, bound: int) -> Outcome:
    """`size.messages` of 100 kB wait with the broker; at most `bound` MiB may be in flight."""
    with mosquitto(["max_inflight_messages 10000"]) as broker:
        own = settings(folder, broker.port, bus={"max_in_flight_bytes": bound * _MIB})
        publisher = Publisher(broker.port)
        with worker(folder, Spec(own, {}, pause=0.02)) as runtime:
            await reaches(lambda: runtime.lives, 1)
            idle = runtime.memory()
            runtime.kill()
            await publisher.send((n, topic_of(n), _large(n)) for n in range(size.messages))
            since = time.monotonic()
            runtime.start()
            await settles(publisher.accepted, runtime.handled)
            most = runtime.memory("VmHWM")
    allowed = idle + bound + _READ_AHEAD + _SLACK
    megabytes = size.messages * PAYLOAD // 1_000_000
    return reckon(
        publisher.accepted,
        runtime.handled.counts,
        pause=longest_pause(since, runtime.handled.moments, allowed=RESTART),
        note=f"{megabytes} MB, bound {bound} MiB; {idle} MiB when idle, {most} MiB at most",
        wrong=(f"took {most} MiB of {allowed}",) if most > allowed else (),
    )


def _large(number: int) -> bytes:
    return b'{"n":%d,"pad":"%s"}' % (number, b"x" * PAYLOAD)
