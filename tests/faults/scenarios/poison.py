"""Messages whose handler fails, or never ends, in a stream of others."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from tests.faults.load import TOPICS, payload_of, topic_of
from tests.faults.outcome import Outcome, Size, reckon
from tests.faults.process import settings, worker
from tests.faults.publisher import Publisher
from tests.faults.watching import PATIENCE, reaches, settles
from tests.faults.worker import Spec
from tests.servers import mosquitto

_WINDOW = 10_000  # as in our mosquitto.conf
_GARBAGE = b"no JSON, but number %d"
_TIMEOUT = 3.0  # seconds for the handler that never ends, and 1 for each of
_A_SECOND = 5_000  # messages: all others are through before


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

    with mosquitto([f"max_inflight_messages {_WINDOW}"]) as broker:
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


async def hanging_stored(size: Size, folder: Path) -> Outcome:
    """As `hanging`; acknowledged once they are on the disk, they may be as many as it holds."""
    return await hanging(size, folder, ack="stored")


async def hanging(size: Size, folder: Path, **route: str) -> Outcome:
    """`size.faults` handlers never return: they are cut off, and hold up no other topic.

    PUBACKs leave in the order of arrival, so others go on for as long as the broker's window is
    open: `_WINDOW` messages.
    """
    timeout = _TIMEOUT + size.messages / _A_SECOND
    stuck = range(size.messages + TOPICS, size.messages + TOPICS + size.faults)
    with mosquitto([f"max_inflight_messages {_WINDOW}"]) as broker:
        publisher = Publisher(broker.port)
        policy = {"attempts": 1, "timeout": timeout} | route
        spec = Spec(settings(folder, broker.port), policy)
        with worker(folder, spec) as runtime:
            await reaches(lambda: runtime.lives, 1)
            await publisher.send((n, f"load/{n}", _hang(n)) for n in stuck)
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
        wrong=("the others waited for a time-out",) if held_up else (),
    )


def _hang(number: int) -> bytes:
    return b'{"n":%d,"do":"hang"}' % number
