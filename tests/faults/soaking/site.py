"""Where the soak takes place: a broker, what is published there, and the runtimes that take it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.load import HOSTILE, PANICS, payload_of, topic_of
from tests.faults.process import Worker, settings, worker
from tests.faults.publisher import Publisher
from tests.faults.worker import Spec
from tests.servers import HOST, ServerProcess, free_port, mosquitto

_BATCH, _BETWEEN = 50, 0.25  # messages, and seconds between batches: at most 200 a second
_IN_FLIGHT = 300  # messages at most; the troubles leave more to wait
_BAD_EVERY = 101  # messages, one of which no handler survives or can read
_BLOCKED_EVERY = 1_009  # messages, one of which blocks a thread
_TIMEOUT, _BLOCKED = 0.5, 20.0  # seconds until it is given up, and until it ends
_PAUSE = 0.01  # seconds that a handler takes at most
_CARELESS_PAUSE = 0.5  # as long as a kill finds work that is acknowledged and not done
_BAD = (*PANICS, "fail", *HOSTILE)


@dataclass(eq=False)
class Site:
    """`bad` has the numbers that must be dead letters."""

    broker: ServerProcess
    publisher: Publisher
    workers: list[Worker]
    bad: set[int] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    async def load(self, until: float) -> None:
        """Publish until that moment, on the monotonic clock."""
        while time.monotonic() < until:
            await self.publish(_BATCH)
            await asyncio.sleep(_BETWEEN)

    async def publish(self, count: int) -> None:
        """The next so many messages, all acknowledged when this returns."""
        await self.publisher.send(map(self._message, itertools.islice(self._numbers, count)))

    def _message(self, number: int) -> tuple[int, str, bytes]:
        if number % _BLOCKED_EVERY == 0:
            self.bad.add(number)
            return number, f"blocked/{number}", payload_of(number)
        if number % _BAD_EVERY:
            return number, topic_of(number), payload_of(number)
        self.bad.add(number)
        bad = _BAD[number // _BAD_EVERY % len(_BAD)]
        payload = payload_of(number, bad) if isinstance(bad, str) else bad % number
        return number, topic_of(number), payload


@contextlib.contextmanager
def site(folder: Path, *names: str, careless: bool = False) -> Iterator[Site]:
    """A broker with runtimes of these names, each with dead letters of its own; `careless` as in
    `Spec`."""
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(mosquitto(["max_inflight_messages 10000"]))
        workers = [
            stack.enter_context(
                worker(folder / name, _spec(folder / name, broker.port, careless=careless))
            )
            for name in names
        ]
        yield Site(broker, Publisher(broker.port), workers)


def _spec(folder: Path, port: int, *, careless: bool) -> Spec:
    own = settings(
        folder,
        port,
        client_id=folder.name,
        http={"enabled": True},
        bus={"root": folder.name, "max_in_flight": _IN_FLIGHT},
    )
    own |= {"host": HOST, "port": free_port()}
    return Spec(
        own,
        {"attempts": 2},
        pause=_CARELESS_PAUSE if careless else _PAUSE,
        careless=careless,
        block_timeout=_TIMEOUT,
        block_seconds=_BLOCKED,
    )
