"""All faults at once, for as long as it takes: three runtimes, two brokers, and load throughout."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults.load import PANICS, payload_of, topic_of
from tests.faults.outcome import Outcome, reckon, still
from tests.faults.process import Worker, settings, worker
from tests.faults.publisher import Publisher
from tests.faults.scenarios.standing import HOSTILE, silent, strangers
from tests.faults.watching import reaches, settles
from tests.faults.worker import Spec
from tests.servers import HOST, ServerProcess, free_port, mosquitto

BATCH, BETWEEN = 50, 0.25  # messages, and seconds between batches: 200 a second at each broker
BAD_EVERY = 101  # messages, one of which no handler survives or can read
EVERY = 5.0  # seconds between faults
FROZEN = 3.0  # seconds for which a broker stands
# Seconds: a killed runtime's start, a frozen broker and the reconnect after it, one upon another.
SOAK_ALLOWANCE = 20.0
_STRANGERS = 200


@dataclass(frozen=True, slots=True)
class Row:
    """One runtime: what became of its messages; its memory (MiB) and files, before and after."""

    name: str
    outcome: Outcome
    memory: tuple[int, int]
    files: tuple[int, int]


@dataclass(eq=False)
class _Site:
    """A broker, who publishes there, and the runtimes that take all of it."""

    broker: ServerProcess
    publisher: Publisher
    workers: list[Worker]

    async def load(self, until: float) -> None:
        """Publish until that moment."""
        number = 0
        while time.monotonic() < until:
            await self.publisher.send(map(_message, range(number, number + BATCH)))
            number += BATCH
            await asyncio.sleep(BETWEEN)


async def soak(folder: Path, seconds: float, seed: int) -> list[Row]:
    """Run for so long, then wait for all that was accepted."""
    dice = random.Random(seed)
    with _sites(folder) as sites:
        workers = [each for site in sites for each in site.workers]
        await reaches(lambda: min(each.lives for each in workers), 1)
        before = {each: _figures(each) for each in workers}
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for at, site in enumerate(sites):
                group.create_task(site.load(began + seconds), name=f"load {at}")
            group.create_task(_trouble(sites, began + seconds, dice), name="faults")
        rows = []
        for site in sites:
            wanted = {number for number in site.publisher.accepted if not _unreadable(number)}
            for each in site.workers:
                await settles(wanted, each.handled, each.dead, patience=30)
                outcome = reckon(
                    wanted,
                    each.handled.counts,
                    dead=each.dead.counts,
                    stood_still=still(
                        began, each.handled.moments, each.dead.moments, allowance=SOAK_ALLOWANCE
                    ),
                    note=f"{each.lives} lives",
                    wrong=() if each.running else ("it has ended by itself",),
                )
                figures = before[each], _figures(each)
                memory, files = zip(*figures, strict=True)
                rows.append(Row(each.folder.name, outcome, memory, files))
    return rows


@contextlib.contextmanager
def _sites(folder: Path) -> Iterator[list[_Site]]:
    """Two runtimes at the first broker, one at the second."""
    with contextlib.ExitStack() as stack:
        sites = []
        for names in (("one", "two"), ("three",)):
            broker = stack.enter_context(mosquitto(["max_inflight_messages 10000"]))
            workers = []
            for name in names:
                own = settings(folder / name, broker.port, client_id=name) | {
                    "host": HOST,
                    "port": free_port(),
                    "http": {"enabled": True},
                }
                spec = Spec(own, {"attempts": 2}, pause=0.01)
                workers.append(stack.enter_context(worker(folder / name, spec)))
            sites.append(_Site(broker, Publisher(broker.port), workers))
        yield sites


async def _trouble(sites: Sequence[_Site], until: float, dice: random.Random) -> None:
    """One fault after the other."""
    while time.monotonic() + EVERY < until:
        await asyncio.sleep(EVERY)
        site = dice.choice(sites)
        victim = dice.choice(site.workers)
        fault = dice.choice((_kill, _freeze, _besiege))
        await fault(site, victim)


async def _kill(_: _Site, victim: Worker) -> None:
    if victim.running:  # else it has ended by itself, which its row tells
        victim.kill()
        victim.start()


async def _freeze(site: _Site, _: Worker) -> None:
    site.broker.pause()
    try:
        await asyncio.sleep(FROZEN)  # the length of the fault
    finally:
        site.broker.proceed()


async def _besiege(_: _Site, victim: Worker) -> None:
    async with strangers(victim.door, _STRANGERS, silent):
        await asyncio.sleep(FROZEN)  # the length of the fault


def _message(number: int) -> tuple[int, str, bytes]:
    payload = payload_of(number)
    bad = _bad(number)
    if bad is not None:
        payload = bad % number if b"%d" in bad else bad
    return number, topic_of(number), payload


def _bad(number: int) -> bytes | None:
    texts = (*(b'{"n":%%d,"do":"%s"}' % kind for kind in PANICS), *HOSTILE)
    return texts[number // BAD_EVERY % len(texts)] if number % BAD_EVERY == BAD_EVERY - 1 else None


def _unreadable(number: int) -> bool:
    bad = _bad(number)
    return bad is not None and b"%d" not in bad


def _figures(process: Worker) -> tuple[int, int]:
    """Memory in MiB, and open files; nothing of one that has ended."""
    if not process.running:
        return 0, 0
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) // 1024, len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
