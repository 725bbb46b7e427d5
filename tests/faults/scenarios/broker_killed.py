"""The broker that we run is killed again and again while messages come, and restarts itself."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from dskity.broker import mosquitto_conf
from dskity.broker.listen import Listen
from dskity.broker.mosquitto import ManagedMosquitto
from tests.faults import tap
from tests.faults.outcome import Outcome, Size, reckon
from tests.faults.process import Worker, settings, worker
from tests.faults.publisher import Publisher
from tests.faults.watching import reaches, settles
from tests.faults.worker import Spec
from tests.servers import program

ON_EACH_CHANGE = ("autosave_on_changes true", "autosave_interval 1")
_QUIET = 3.0  # seconds: what the broker has forgotten is not worth more


async def broker_killed(size: Size, folder: Path, *lines: str) -> Outcome:
    """`kill -9` while a batch is being acknowledged, `size.faults` times; the publisher is a device
    that trusts the broker's PUBACK."""
    async with managed(folder, lines) as engine:
        port = int(engine.url.rpartition(":")[2])
        wire = tap.Tap(port)
        publisher = Publisher(port)
        spec = Spec(settings(folder, wire.port), {}, pause=0.002)
        async with wire.opened():
            with worker(folder, spec) as runtime:
                await reaches(lambda: runtime.lives, 1)
                await save(engine, folder)
                await _kills(size, engine, runtime, publisher)
                missing = await settles(publisher.accepted, runtime.handled, patience=_QUIET)
                await asyncio.to_thread(runtime.stop)
        forgotten = missing - wire.acknowledged
        if forgotten:
            forgotten -= tap.queued(port, "worker")
        return reckon(publisher.accepted, runtime.handled.counts, forgotten=forgotten)


async def _kills(
    size: Size, engine: ManagedMosquitto, runtime: Worker, publisher: Publisher
) -> None:
    batch = size.messages // size.faults
    for life in range(size.faults):
        numbers = range(life * batch, (life + 1) * batch)
        publishing = asyncio.create_task(publisher.publish(numbers), name="load")
        moment = life * batch + random.randint(batch // 10, batch - batch // 10)
        await reaches(lambda: len(publisher.accepted), moment)
        connections = runtime.connections
        await kill(engine)
        await publishing
        await reaches(lambda: runtime.connections, connections + 1)


@asynccontextmanager
async def managed(folder: Path, lines: Sequence[str] = ()) -> AsyncIterator[ManagedMosquitto]:
    """The engine with our mosquitto.conf, and `lines` in place of those on the same option."""
    base = folder / "base.conf"
    own = mosquitto_conf.BASE.read_text(encoding="utf-8").splitlines()
    options = tuple(line.split()[0] for line in lines)
    kept = [line for line in own if line.partition(" ")[0] not in options]
    base.write_text("\n".join([*kept, *lines]) + "\n", encoding="utf-8")
    path = program("mosquitto", "mosquitto")
    engine = ManagedMosquitto(path, Listen(port=0), folder, base=base)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


async def save(engine: ManagedMosquitto, folder: Path) -> None:
    """The database is on the disk, so that the session of the runtime is in it."""
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGUSR1)
    await reaches(lambda: int((folder / "mosquitto" / "mosquitto.db").exists()), 1)


async def kill(engine: ManagedMosquitto) -> None:
    """Kill its child; returns when the engine has seen it."""
    pid = engine.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await reaches(lambda: int(engine.pid != pid or not engine.healthy), 1)
