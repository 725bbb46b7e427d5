"""The broker stands still for a while (SIGSTOP), with its connections open."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.faults.load import out_of_order
from tests.faults.outcome import RESTART, Outcome, Size, longest_pause, reckon
from tests.faults.process import settings, worker
from tests.faults.watching import reaches, settles
from tests.faults.worker import Spec
from tests.servers import mosquitto

_KEEPALIVE = 1  # seconds; a stop of twice that is noticed, and the outbox takes over


async def broker_stopped(size: Size, folder: Path) -> Outcome:
    """For `size.seconds`, while the runtime publishes and handles what it has published."""
    with mosquitto() as broker:
        spec = Spec(
            settings(folder, broker.port, mqtt={"keepalive": _KEEPALIVE, "connect_timeout": 1}),
            {},
            (0, size.messages),
        )
        with worker(folder, spec) as runtime:
            accepted = runtime.accepted
            await reaches(lambda: runtime.lives, 1)
            since = time.monotonic()
            await reaches(lambda: accepted.update().lines, size.messages // 4)
            broker.pause()
            before = accepted.update().lines
            await asyncio.sleep(size.seconds)  # the length of the fault
            meanwhile = accepted.update().lines - before
            broker.proceed()
            await reaches(lambda: accepted.update().lines, size.messages)
            await settles(accepted.counts, runtime.handled)
        late = out_of_order(runtime.handled.order)
        return reckon(
            accepted.counts,
            runtime.handled.counts,
            pause=longest_pause(since, runtime.handled.moments, allowed=size.seconds + RESTART),
            note=f"stopped for {size.seconds:g} s, {meanwhile} accepted meanwhile",
            wrong=(f"{len(late)} out of order",) if late else (),
        )
