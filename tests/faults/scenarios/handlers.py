"""Handlers that raise what is no `Exception`, and plain handlers that block for ever."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

from tests.faults.load import PANICS, TOPICS, payload_of, topic_of
from tests.faults.outcome import Outcome, Size, reckon, still
from tests.faults.process import settings, worker
from tests.faults.publisher import Publisher
from tests.faults.watching import reaches, settles
from tests.faults.worker import Spec
from tests.servers import mosquitto

BLOCKED = 40
"""Threads that block, as many as the pool has."""
_RESTART = 10.0  # seconds: the broker stops and starts on a busy machine, and we are back
_GRACE = 0.5  # seconds; with the rest of a stop it is well below what the process waits for


async def panics(size: Size, folder: Path) -> Outcome:
    """`size.faults` messages of each kind in a stream of others; only they are dead."""
    picked = random.sample(range(size.messages), len(PANICS) * size.faults)
    kinds = dict(zip(picked, [*PANICS] * size.faults, strict=True))

    def message(number: int) -> tuple[int, str, bytes]:
        kind = kinds.get(number)
        payload = payload_of(number) if kind is None else b'{"n":%d,"do":"%s"}' % (number, kind)
        return number, topic_of(number), payload

    with mosquitto() as broker:
        publisher = Publisher(broker.port)
        spec = Spec(settings(folder, broker.port), {"attempts": 2})
        with worker(folder, spec) as runtime:
            await reaches(lambda: runtime.lives, 1)
            since = time.monotonic()
            await publisher.send(map(message, range(size.messages)))
            await settles(publisher.accepted, runtime.handled, runtime.dead)
            wrong = [] if runtime.running else ["the process has ended"]
    if set(runtime.dead.counts) != set(picked):
        wrong.append("the dead letters are not those of the panics")
    return reckon(
        publisher.accepted,
        runtime.handled.counts,
        dead=runtime.dead.counts,
        stood_still=still(since, runtime.handled.moments, runtime.dead.moments),
        wrong=tuple(wrong),
    )


async def blocked_threads(size: Size, folder: Path) -> Outcome:
    """`BLOCKED` plain handlers never return: their messages are dead, the others are handled, also
    after the broker was away, and SIGTERM ends the process."""
    stuck = range(size.messages + TOPICS, size.messages + TOPICS + BLOCKED)
    with mosquitto() as broker:
        publisher = Publisher(broker.port)
        made = settings(folder, broker.port) | {"shutdown_grace_seconds": _GRACE}
        spec = Spec(made, {}, blocks_for=0.5)
        with worker(folder, spec) as runtime:
            await reaches(lambda: runtime.lives, 1)
            await publisher.send((n, f"blocked/{n}", payload_of(n)) for n in stuck)
            await reaches(lambda: runtime.dead.update().lines, BLOCKED)
            since = time.monotonic()
            await publisher.publish(range(size.messages // 2))
            await reaches(lambda: runtime.handled.update().lines, size.messages // 2)
            await asyncio.to_thread(broker.restart)
            await reaches(lambda: runtime.connections, 2)
            await publisher.publish(range(size.messages // 2, size.messages))
            await settles(publisher.accepted, runtime.handled, runtime.dead)
            status = await asyncio.to_thread(runtime.stop)
    return reckon(
        publisher.accepted,
        runtime.handled.counts,
        dead=runtime.dead.counts,
        stood_still=still(since, runtime.handled.moments, allowance=_RESTART),
        wrong=() if status == 0 else (f"it ended with {status}",),
        note=f"{BLOCKED} threads blocked",
    )
