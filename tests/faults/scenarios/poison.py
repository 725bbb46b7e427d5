"""Messages that no handler can do with, in a stream of others: it fails, panics, or cannot read
them. They are dead letters, and only they."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Mapping
from pathlib import Path

from tests.faults.load import HOSTILE, PANICS, payload_of, stream
from tests.faults.outcome import Outcome, Size, longest_pause, reckon
from tests.faults.process import settings, worker
from tests.faults.publisher import Publisher
from tests.faults.watching import reaches, settles
from tests.faults.worker import Spec
from tests.servers import mosquitto

_WINDOW = 10_000  # as in our mosquitto.conf
_GARBAGE = b"no JSON, but number %d"


async def poison(size: Size, folder: Path) -> Outcome:
    """`size.faults` messages fail at each attempt, and as many are no JSON."""
    picked = _picked(size, 2)
    failing, garbage = picked[: size.faults], picked[size.faults :]
    bad = {number: payload_of(number, "fail") for number in failing}
    return await _poisoned(size, folder, bad | {number: _GARBAGE % number for number in garbage})


async def panics(size: Size, folder: Path) -> Outcome:
    """`size.faults` messages of each kind at which the handler raises what is no `Exception`."""
    kinds = zip(_picked(size, len(PANICS)), itertools.cycle(PANICS), strict=False)
    return await _poisoned(size, folder, {number: payload_of(number, do) for number, do in kinds})


async def hostile_text(size: Size, folder: Path) -> Outcome:
    """`size.faults` of each text that no handler can read."""
    texts = zip(_picked(size, len(HOSTILE)), itertools.cycle(HOSTILE), strict=False)
    return await _poisoned(size, folder, {number: text % number for number, text in texts})


def _picked(size: Size, kinds: int) -> list[int]:
    return random.sample(range(size.messages), kinds * size.faults)


async def _poisoned(size: Size, folder: Path, bad: Mapping[int, bytes]) -> Outcome:
    with mosquitto([f"max_inflight_messages {_WINDOW}"]) as broker:
        publisher = Publisher(broker.port)
        spec = Spec(settings(folder, broker.port), {"attempts": 2})
        with worker(folder, spec) as runtime:
            await reaches(lambda: runtime.lives, 1)
            since = time.monotonic()
            await publisher.send(stream(range(size.messages), bad))
            await settles(publisher.accepted, runtime.handled, runtime.dead)
            connections, broken, runs = runtime.connections, runtime.broken_tasks, runtime.running
    wrong = [] if runs else ["the process has ended"]
    if connections > 1 or broken:
        wrong.append(f"{connections} connections, {broken} tasks broken")
    if set(runtime.dead.counts) != set(bad):
        wrong.append("the dead letters are not the bad ones")
    return reckon(
        publisher.accepted,
        runtime.handled.counts,
        dead=runtime.dead.counts,
        pause=longest_pause(since, runtime.handled.moments, runtime.dead.moments),
        note=f"{len(bad)} bad ones",
        wrong=wrong,
    )
