"""The broker that we run is killed again and again while messages come, and restarts itself.

What it had acknowledged and not saved is forgotten; the autopsy tells that from what is lost.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dskity.broker import mosquitto_conf
from dskity.broker.listen import Listen
from dskity.broker.mosquitto import Crash, ManagedMosquitto
from tests.faults import autopsy
from tests.faults.outcome import Outcome, Size, reckon
from tests.faults.process import settings, worker
from tests.faults.publisher import Publisher
from tests.faults.watching import reaches, settles
from tests.faults.worker import Spec
from tests.servers import program


@dataclass
class Victim:
    """A mosquitto of ours, and a copy of its database from each of its deaths."""

    folder: Path
    deaths: list[Path] = field(default_factory=list)

    def crashed(self, crash: Crash) -> None:
        """Before it starts again."""
        copy = self.folder / f"death-{len(self.deaths)}"
        copy.mkdir()
        database = self.folder / "mosquitto" / autopsy.DATABASE
        if database.exists():
            shutil.copy(database, copy)
        self.deaths.append(copy)


@asynccontextmanager
async def victim(
    folder: Path, lines: Sequence[str] = ()
) -> AsyncIterator[tuple[ManagedMosquitto, Victim]]:
    """The engine, with `lines` in place of those of mosquitto.conf on the same option."""
    options = {line.split()[0] for line in lines}
    base = [
        line
        for line in mosquitto_conf.BASE.read_text(encoding="utf-8").splitlines()
        if line.split(maxsplit=1)[:1] not in [[option] for option in options]
    ]
    (folder / "base.conf").write_text("\n".join([*base, *lines]) + "\n", encoding="utf-8")
    seen = Victim(folder)
    engine = ManagedMosquitto(
        program("mosquitto", "mosquitto"),
        Listen(port=0),
        folder,
        base=folder / "base.conf",
        on_crash=seen.crashed,
    )
    await engine.start()
    try:
        yield engine, seen
    finally:
        await engine.stop()


async def broker_killed(size: Size, folder: Path, *lines: str) -> Outcome:
    """`kill -9` while half of a batch is acknowledged, `size.faults` times."""
    batch = size.messages // size.faults
    async with victim(folder, lines) as (engine, seen):
        port = int(engine.url.rpartition(":")[2])
        publisher = Publisher(port)
        spec = Spec(settings(folder, port), {}, pause=0.002)
        # For each death, what had been acknowledged before.
        before: list[set[int]] = []
        with worker(folder, spec) as runtime:
            await reaches(lambda: runtime.lives, 1)
            for life in range(size.faults):
                numbers = range(life * batch, (life + 1) * batch)
                publishing = asyncio.create_task(publisher.publish(numbers), name="load")
                moment = life * batch + random.randint(batch // 10, batch - batch // 10)
                await reaches(lambda: len(publisher.accepted), moment)
                assert engine.pid is not None
                os.kill(engine.pid, signal.SIGKILL)
                before.append(set(publisher.accepted))
                await reaches(lambda: len(seen.deaths), life + 1)
                await publishing
            await settles(publisher.accepted, runtime.handled)
        forgotten = _forgotten(seen.deaths, before, set(runtime.handled.counts))
        return reckon(publisher.accepted, runtime.handled.counts, forgotten=forgotten)


def _forgotten(deaths: Sequence[Path], before: Sequence[set[int]], handled: set[int]) -> set[int]:
    """What was acknowledged before a death, missing in the database then, and never handled."""
    gone: set[int] = set()
    known: set[int] = set()
    for copy, acknowledged in zip(deaths, before, strict=True):
        new = acknowledged - known - handled
        known |= acknowledged
        if new:
            gone |= new - autopsy.queued(copy, "worker")
    return gone
