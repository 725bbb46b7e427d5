"""Starts at which something waits with the broker: more than may be in flight, or under a filter
that the handler has no more."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.faults.load import payload_of, topic_of
from tests.faults.outcome import RESTART, Outcome, Size, longest_pause, reckon
from tests.faults.process import settings, worker
from tests.faults.publisher import Publisher
from tests.faults.watching import reaches, settles
from tests.faults.worker import Spec
from tests.servers import mosquitto

_WINDOW = ("max_inflight_messages 10000",)
_NARROW = "load/0"
FILTERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("load/{line}", {}),
    ("load/{line...}", {}),
    ("+/{line}", {}),
    ("load/{other}", {"group": "line"}),
    ("load/{line}", {}),
)
"""All of them match what is published; each is the filter and the policy of the handler."""
_CHANGES = (*FILTERS, (_NARROW, {}), *FILTERS[:1])


async def backlog_at_start(size: Size, folder: Path) -> Outcome:
    """More wait with the broker than may be in flight, and each takes some milliseconds."""
    with mosquitto(_WINDOW) as broker:
        publisher = Publisher(broker.port)
        own = settings(folder, broker.port, bus={"max_in_flight": max(1, size.messages // 3)})
        with worker(folder, Spec(own, {}, pause=0.02)) as runtime:
            await reaches(lambda: runtime.lives, 1)
            runtime.kill()
            await publisher.publish(range(size.messages))
            since = time.monotonic()
            runtime.start()
            await settles(publisher.accepted, runtime.handled)
            ready = runtime.up
    return reckon(
        publisher.accepted,
        runtime.handled.counts,
        pause=longest_pause(since, runtime.handled.moments, allowed=RESTART),
        wrong=() if ready else ("it was never ready",),
    )


async def filter_changes(size: Size, folder: Path) -> Outcome:
    """At each start the handler has another filter than that which the broker queued for: a wider
    or narrower one, with another capture, with a group and without."""
    each = size.messages // len(_CHANGES)
    with mosquitto(_WINDOW) as broker:
        publisher = Publisher(broker.port)
        own = settings(folder, broker.port)
        with worker(folder, Spec(own, {}, filter="load/{other}")) as runtime:
            await reaches(lambda: runtime.lives, 1)
            since = time.monotonic()
            for life, (filter, route) in enumerate(_CHANGES):
                runtime.kill()
                numbers = range(life * each, (life + 1) * each)
                await publisher.send(_matched(numbers, filter))
                runtime.change(Spec(own, route, filter=filter))
                runtime.start()
                await reaches(lambda: int(runtime.up), 1)
                await settles(publisher.accepted, runtime.handled)
    return reckon(
        publisher.accepted,
        runtime.handled.counts,
        pause=longest_pause(since, runtime.handled.moments, allowed=RESTART),
        note=f"{len(_CHANGES)} changes",
    )


def _matched(numbers: Iterable[int], filter: str) -> Iterator[tuple[int, str, bytes]]:
    for number in numbers:
        topic = _NARROW if filter == _NARROW else topic_of(number)
        yield number, topic, payload_of(number)
