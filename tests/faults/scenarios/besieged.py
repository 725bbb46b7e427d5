"""Strangers at the HTTP door, while messages are handled."""

from __future__ import annotations

import time
from pathlib import Path

from tests.faults.outcome import Outcome, Size, longest_pause, reckon
from tests.faults.process import settings, worker
from tests.faults.publisher import Publisher
from tests.faults.siege import Attack, answers, half_head, laid, trailers_without_end
from tests.faults.watching import reaches, settles
from tests.faults.worker import Spec
from tests.servers import HOST, free_port, listening, mosquitto

_MEMORY = 64
"""MiB that strangers may cost: `docs/explanation/security.md` has the bounds."""


async def silent_sockets(size: Size, folder: Path) -> Outcome:
    """`size.faults` connections say nothing, or half a head."""
    return await _besieged(size, folder, half_head)


async def trailers(size: Size, folder: Path) -> Outcome:
    """`size.faults` requests send trailers without an end; each is cut off."""
    return await _besieged(size, folder, trailers_without_end)


async def _besieged(size: Size, folder: Path, attack: Attack) -> Outcome:
    port = free_port()
    with mosquitto(["max_inflight_messages 10000"]) as broker:
        publisher = Publisher(broker.port)
        door = {"host": HOST, "port": port, "http": {"enabled": True}}
        with worker(folder, Spec(settings(folder, broker.port) | door, {})) as runtime:
            await reaches(lambda: int(runtime.lives and listening(port)), 1)
            before = runtime.memory()
            since = time.monotonic()
            async with laid(port, size.faults, attack) as siege:
                await publisher.publish(range(size.messages))
                await settles(publisher.accepted, runtime.handled)
                answered = await answers(port, "/health/live")
                if attack is trailers_without_end:
                    await reaches(lambda: siege.cut, size.faults)
            memory = runtime.memory("VmHWM") - before
    wrong = [] if answered else ["/health/live was not answered"]
    if memory > _MEMORY:
        wrong.append(f"{memory} MiB for them")
    return reckon(
        publisher.accepted,
        runtime.handled.counts,
        pause=longest_pause(since, runtime.handled.moments),
        note=f"{size.faults} strangers, {siege.cut} cut off, {memory} MiB for them",
        wrong=wrong,
    )
