"""Handlers that never return: coroutines, and threads."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.faults.load import TOPICS, payload_of
from tests.faults.outcome import RESTART, Outcome, Size, longest_pause, reckon
from tests.faults.process import settings, worker
from tests.faults.publisher import Publisher
from tests.faults.watching import PATIENCE, reaches, settles
from tests.faults.worker import Spec
from tests.servers import mosquitto

_WINDOW = 10_000  # as in our mosquitto.conf
_TIMEOUT = 3.0  # seconds for the handler that never ends, and 1 for each of
_A_SECOND = 5_000  # messages: all others are through before
_THREAD_TIMEOUT = 0.5  # seconds
_GRACE = 0.5  # seconds; with the rest of a stop it is well below what the process waits for


async def hanging_stored(size: Size, folder: Path) -> Outcome:
    """As `hanging`; acknowledged once they are on the disk, they may be as many as it holds."""
    return await hanging(size, folder, ack="stored")


async def hanging(size: Size, folder: Path, **route: str) -> Outcome:
    """`size.faults` handlers never return: they are cut off, and hold up no other topic.

    PUBACKs leave in the order of arrival, so others go on for as long as the broker's window is
    open: `_WINDOW` messages.
    """
    timeout = _TIMEOUT + size.messages / _A_SECOND
    stuck = _apart(size, size.faults)
    with mosquitto([f"max_inflight_messages {_WINDOW}"]) as broker:
        publisher = Publisher(broker.port)
        policy = {"attempts": 1, "timeout": timeout} | route
        spec = Spec(settings(folder, broker.port), policy)
        with worker(folder, spec) as runtime:
            await reaches(lambda: runtime.lives, 1)
            await publisher.send((n, f"load/{n}", payload_of(n, "hang")) for n in stuck)
            since = time.monotonic()
            publishing = asyncio.create_task(publisher.publish(range(size.messages)), name="load")
            await reaches(lambda: runtime.handled.update().lines, size.messages, 10 * timeout)
            await publishing
            held_up = bool(runtime.dead.update().lines)
            patience = PATIENCE + timeout  # nothing comes until they are cut off
            await settles(publisher.accepted, runtime.handled, runtime.dead, patience=patience)
    return reckon(
        publisher.accepted,
        runtime.handled.counts,
        dead=runtime.dead.counts,
        pause=longest_pause(since, runtime.handled.moments),
        wrong=("the others waited for a time-out",) if held_up else (),
    )


async def blocked_threads(size: Size, folder: Path) -> Outcome:
    """`size.faults` plain handlers never return (40 are as many as there are threads): their
    messages are dead, the others are handled, also after the broker was away, and SIGTERM ends the
    process."""
    stuck = _apart(size, size.faults)
    with mosquitto() as broker:
        publisher = Publisher(broker.port)
        made = settings(folder, broker.port) | {"shutdown_grace_seconds": _GRACE}
        with worker(folder, Spec(made, {}, block_timeout=_THREAD_TIMEOUT)) as runtime:
            await reaches(lambda: runtime.lives, 1)
            await publisher.send((n, f"blocked/{n}", payload_of(n)) for n in stuck)
            await reaches(lambda: runtime.dead.update().lines, size.faults)
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
        pause=longest_pause(since, runtime.handled.moments, allowed=RESTART),
        wrong=() if status == 0 else (f"it ended with {status}",),
        note=f"{size.faults} threads blocked",
    )


def _apart(size: Size, count: int) -> range:
    """Numbers that no other message has, and as topics none."""
    first = size.messages + TOPICS
    return range(first, first + count)
