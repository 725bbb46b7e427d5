"""All faults for as long as it takes: three runtimes, two brokers, and load throughout.

Each runtime has its own sequence of troubles, so those of one meet those of another. Two are killed
throughout; the third only at the beginning, so that its memory and its files tell of leaks.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.outcome import Outcome, longest_pause, reckon
from tests.faults.process import Worker
from tests.faults.siege import answers
from tests.faults.soaking.site import Site, site
from tests.faults.soaking.troubles import deck
from tests.faults.watching import reaches, settles

ALLOWED = 20.0
"""Seconds without anything handled that are no stand-still: a runtime is killed, and killed again
in the midst of its start, while its broker is frozen."""
_EVERY = 4.0  # seconds between two troubles of one runtime, and less in a short soak:
_ROUND = 15  # of them make its whole time at least; a round has six
_UP = 60.0  # seconds at most for a start
_SAMPLE = 1.0  # seconds
_PATIENCE = 30.0  # seconds without any progress after which what is missing is lost
_MEMORY, _FILES = 64, 20  # MiB and files that a runtime may have gained at the end


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one life of a runtime: when it was up, at most, and at the end."""

    first: int
    most: int
    last: int

    @property
    def gained(self) -> int:
        """From the first to the last."""
        return self.last - self.first


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one runtime: `memory` (MiB) and `files` of its last life, which took `lived`
    seconds; `troubles` by name."""

    name: str
    outcome: Outcome
    kills: int
    troubles: Counter[str]
    memory: Figures
    files: Figures
    lived: float


@dataclass(eq=False)
class _Seat:
    """One runtime at its site, and what is noted of it."""

    site: Site
    worker: Worker
    troubles: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    samples: list[tuple[int, float, int, int]] = field(default_factory=list)
    """Process, moment, MiB and files, while it was up."""

    async def suffer(
        self, until: float, every: float, dice: random.Random, *, killed: bool
    ) -> None:
        """One trouble after the other, as long as it runs."""
        for trouble in deck(dice, killed=killed):
            await asyncio.sleep(every)
            await reaches(lambda: int(self.worker.up or not self.worker.running), 1, _UP)
            if time.monotonic() > until:
                return
            if not self.worker.running:  # its row tells
                return
            if said := await trouble(self.site, self.worker, dice):
                self.wrong.append(said)
            self.troubles[trouble.__name__] += 1

    async def watch(self) -> None:
        """Sample until cancelled."""
        while True:
            self.sample()
            await asyncio.sleep(_SAMPLE)

    def sample(self) -> None:
        """Note memory and files, if it is up."""
        if self.worker.up:
            each = self.worker
            self.samples.append((each.pid, time.monotonic(), each.memory(), each.files))


async def soak(folder: Path, seconds: float, seed: int, *, careless: bool = False) -> list[Row]:
    """Run for so long, then wait for all that was accepted; `careless` as in `Spec`."""
    with _seats(folder, careless=careless) as seats:
        for seat in seats:
            await reaches(lambda up=seat.worker: int(up.up), 1, _UP)  # type: ignore[misc]
        began = time.monotonic()
        until = began + seconds
        every = min(_EVERY, seconds / _ROUND)
        async with asyncio.TaskGroup() as watching:
            watchers = [
                watching.create_task(seat.watch(), name=f"watch {seat.worker.folder.name}")
                for seat in seats
            ]
            async with asyncio.TaskGroup() as group:
                for at, each in enumerate({seat.site: None for seat in seats}):
                    group.create_task(each.load(until), name=f"load {at}")
                for seat in seats:
                    name = seat.worker.folder.name
                    suffering = seat.suffer(
                        until, every, random.Random(f"{seed} {name}"), killed=name != "three"
                    )
                    group.create_task(suffering, name=f"troubles of {name}")
            rows = [await _row(seat, began) for seat in seats]
            for watcher in watchers:
                watcher.cancel()
    return rows


@contextlib.contextmanager
def _seats(folder: Path, *, careless: bool) -> Iterator[list[_Seat]]:
    """Two runtimes at the first broker, one at the second."""
    with (
        site(folder, "one", "two", careless=careless) as first,
        site(folder, "three", careless=careless) as second,
    ):
        yield [_Seat(site, worker) for site in (first, second) for worker in site.workers]


async def _row(seat: _Seat, began: float) -> Row:
    each, accepted = seat.worker, seat.site.publisher.accepted
    await settles(accepted, each.handled, each.dead, patience=_PATIENCE)
    seat.sample()
    process, *_ = seat.samples[-1]
    last = [sample for sample in seat.samples if sample[0] == process]
    memory = _figures([sample[2] for sample in last])
    files = _figures([sample[3] for sample in last])
    wrong = [*seat.wrong, *await _faults(seat, memory, files)]
    outcome = reckon(
        accepted,
        each.handled.counts,
        dead=each.dead.counts,
        pause=longest_pause(began, each.handled.moments, each.dead.moments, allowed=ALLOWED),
        wrong=wrong,
    )
    lived = last[-1][1] - last[0][1]
    return Row(each.folder.name, outcome, each.kills, seat.troubles, memory, files, lived)


def _figures(samples: list[int]) -> Figures:
    return Figures(samples[0], max(samples), samples[-1])


async def _faults(seat: _Seat, memory: Figures, files: Figures) -> list[str]:
    """What is not as it should be at the end; ends the runtime."""
    each, found = seat.worker, []
    if not each.running:
        return ["it has ended by itself"]
    if not await answers(each.door, "/health/ready"):
        found.append("it is not ready")
    if each.broken_tasks:
        found.append(f"{each.broken_tasks} tasks failed")
    if missing := seat.site.bad - each.dead.counts.keys():
        found.append(f"{len(missing)} bad messages are no dead letters")
    if more := each.dead.counts.keys() - seat.site.bad:
        found.append(f"{len(more)} dead letters of ordinary messages")
    if memory.gained > _MEMORY or files.gained > _FILES:
        found.append("it leaks")
    if status := await asyncio.to_thread(each.stop):
        found.append(f"it ended with {status}")
    return found
