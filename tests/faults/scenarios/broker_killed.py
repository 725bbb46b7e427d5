"""The broker that we run is killed again and again while messages come, and restarts itself."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from dskity.broker.engines import mosquitto_conf
from dskity.broker.engines.listen import Listen
from dskity.broker.engines.mosquitto import ManagedMosquitto
from tests.faults import tap
from tests.faults.outcome import RESTART, Outcome, Size, longest_pause, reckon
from tests.faults.process import Worker, settings, worker
from tests.faults.publisher import Publisher
from tests.faults.watching import reaches, settles
from tests.faults.worker import Spec
from tests.servers import program

ON_EACH_CHANGE = ("autosave_on_changes true", "autosave_interval 1")
_EVERY = 0.002  # seconds between two publishes of ours, so that they last as long as the kills
_WITHIN = 120.0
_QUIET = 3.0  # seconds: what the broker has forgotten is not worth more


async def broker_killed(size: Size, folder: Path, *lines: str) -> Outcome:
    """`kill -9` while a batch is being acknowledged, `size.faults` times; the publisher is a device
    that trusts the broker's PUBACK."""
    async with managed(folder, lines) as engine:
        port = port_of(engine)
        wire = tap.Tap(port)
        publisher = Publisher(port)
        spec = Spec(settings(folder, wire.port), {}, pause=0.002)
        async with wire.opened():
            with worker(folder, spec) as runtime:
                await reaches(lambda: runtime.lives, 1)
                await saved(engine, folder)
                since = time.monotonic()
                batch = size.messages // size.faults
                for life in range(size.faults):
                    numbers = range(life * batch, (life + 1) * batch)
                    publishing = asyncio.create_task(publisher.publish(numbers), name="load")
                    moment = life * batch + random.randint(batch // 10, batch - batch // 10)
                    await reaches(lambda: len(publisher.accepted), moment)
                    await kill(engine, runtime)
                    await publishing
                missing = await settles(publisher.accepted, runtime.handled, patience=_QUIET)
                await asyncio.to_thread(runtime.stop)
        return reckon(
            publisher.accepted,
            runtime.handled.counts,
            pause=longest_pause(since, runtime.handled.moments, allowed=RESTART),
            forgotten=forgotten(missing, publisher.accepted, wire, port),
            note=f"killed {size.faults} times",
        )


async def broker_killed_under_us(size: Size, folder: Path) -> Outcome:
    """The publisher is our bus, whose outbox takes over while the broker is away; mosquitto.conf is
    as we ship it."""
    async with managed(folder) as engine:
        port = port_of(engine)
        wire = tap.Tap(port)
        spec = Spec(settings(folder, wire.port), {}, (0, size.messages), every=_EVERY)
        async with wire.opened():
            with worker(folder, spec) as runtime:
                accepted = runtime.accepted
                await reaches(lambda: runtime.lives, 1)
                await saved(engine, folder)
                since = time.monotonic()
                batch = size.messages // size.faults
                for life in range(size.faults):
                    moment = life * batch + random.randint(batch // 10, batch // 2)
                    await reaches(lambda: accepted.update().lines, moment, _WITHIN)
                    await kill(engine, runtime)
                    if life % 2:  # every other connection is killed before anything has come
                        await comes(runtime)
                await reaches(lambda: accepted.update().lines, size.messages, _WITHIN)
                missing = await settles(accepted.counts, runtime.handled, patience=_QUIET)
                await asyncio.to_thread(runtime.stop)
        return reckon(
            accepted.counts,
            runtime.handled.counts,
            pause=longest_pause(since, runtime.handled.moments, allowed=RESTART),
            forgotten=forgotten(missing, wire.kept, wire, port),
            note=f"killed {size.faults} times",
        )


def forgotten(missing: set[int], kept: Collection[int], wire: tap.Tap, port: int) -> set[int]:
    """Of what was not handled, what the broker had acknowledged (`kept`), the runtime never has,
    and the broker has no more."""
    gone = missing.intersection(kept) - wire.acknowledged
    return gone - tap.queued(port, "worker") if gone else gone


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


async def saved(engine: ManagedMosquitto, folder: Path) -> None:
    """As a runtime with a broker of its own does once its handlers are there."""
    engine.save()
    await reaches(lambda: int((folder / "mosquitto" / "data" / "mosquitto.db").exists()), 1)


async def kill(engine: ManagedMosquitto, runtime: Worker) -> None:
    """Kill its child; returns when the runtime is connected to the next one."""
    connections = runtime.connections
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    await reaches(lambda: runtime.connections, connections + 1, _WITHIN)


async def comes(runtime: Worker) -> None:
    """Return once it has handled one more."""
    handled = runtime.handled.update().lines
    await reaches(lambda: runtime.handled.update().lines, handled + 1, _WITHIN)


def port_of(engine: ManagedMosquitto) -> int:
    """Where it listens."""
    return int(engine.url.rpartition(":")[2])
