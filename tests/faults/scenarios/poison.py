"""Messages whose handler fails, or never ends, in a stream of others."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from tests.faults.load import TOPICS, payload_of, topic_of
from tests.faults.outcome import Outcome, Size, reckon
from tests.faults.process import settings, worker
from tests.faults.publisher import Publisher
from tests.faults.watching import reaches, settles
from tests.faults.worker import Spec
from tests.servers import mosquitto

_GARBAGE = b"no JSON, but number %d"
_TIMEOUT = 3.0  # seconds for the handler that never ends; all others are through before


async def poison(size: Size, folder: Path) -> Outcome:
    """`size.faults` messages fail at each attempt, and as many are no JSON; only they are dead."""
    picked = random.sample(range(size.messages), 2 * size.faults)
    failing, garbage = set(picked[: size.faults]), set(picked[size.faults :])

    def message(number: int) -> tuple[int, str, bytes]:
        payload = payload_of(number)
        if number in failing:
            payload = b'{"n":%d,"do":"fail"}' % number
        elif number in garbage:
            payload = _GARBAGE % number
        return number, topic_of(number), payload

    with mosquitto(["max_inflight_messages 10000"]) as broker:
        publisher = Publisher(broker.port)
        spec = Spec(settings(folder, broker.port), {"attempts": 2})
        with worker(folder, spec) as runtime:
            await reaches(lambda: runtime.lives, 1)
            await publisher.send(map(message, range(size.messages)))
            await settles(publisher.accepted, runtime.handled, runtime.dead)
    right = set(runtime.dead.counts) == set(picked)
    return reckon(
        publisher.accepted,
        runtime.handled.counts,
        dead=runtime.dead.counts,
        wrong=() if right else ("the dead letters are not the poison",),
    )


async def hanging(size: Size, folder: Path) -> Outcome:
    """`size.faults` handlers never return: they are cut off, and hold up no other topic."""
    stuck = range(size.messages, size.messages + size.faults)
    with mosquitto(["max_inflight_messages 10000"]) as broker:
        publisher = Publisher(broker.port)
        spec = Spec(settings(folder, broker.port), {"attempts": 1, "timeout": _TIMEOUT})
        with worker(folder, spec) as runtime:
            await reaches(lambda: runtime.lives, 1)
            await publisher.send((n, f"load/{TOPICS}", _hang(n)) for n in stuck)
            publishing = asyncio.create_task(publisher.publish(range(size.messages)), name="load")
            await reaches(lambda: runtime.handled.update().lines, size.messages)
            await publishing
            held_up = bool(runtime.dead.update().lines)
            await settles(publisher.accepted, runtime.handled, runtime.dead)
    return reckon(
        publisher.accepted,
        runtime.handled.counts,
        dead=runtime.dead.counts,
        wrong=("the others waited for a time-out",) if held_up else (),
    )


def _hang(number: int) -> bytes:
    return b'{"n":%d,"do":"hang"}' % number
