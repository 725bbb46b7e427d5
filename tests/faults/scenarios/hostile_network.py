"""The network cuts, delays and repeats, in the middle of packets and in both directions."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.faults.hostile import HostileProxy
from tests.faults.outcome import RESTART, Outcome, Size, longest_pause, reckon
from tests.faults.process import settings, worker
from tests.faults.publisher import Publisher
from tests.faults.watching import reaches, settles
from tests.faults.worker import Spec
from tests.servers import mosquitto

_SEED = 1847


async def hostile_network(size: Size, folder: Path) -> Outcome:
    """A device and our bus publish half each, and a handler takes all; all through the proxy."""
    half = size.messages // 2
    with mosquitto(["max_inflight_messages 1000"]) as broker:
        proxy = HostileProxy(broker.port, _SEED)
        device = Publisher(proxy.port)
        mqtt = {"connect_timeout": 2}
        spec = Spec(settings(folder, proxy.port, mqtt=mqtt), {}, (half, size.messages))
        async with proxy.opened():
            with worker(folder, spec) as runtime:
                ours = runtime.accepted
                await reaches(lambda: runtime.lives, 1)
                since = time.monotonic()
                publishing = asyncio.create_task(device.publish(range(half)), name="load")
                within = 60 + size.messages / 100
                await reaches(lambda: ours.update().lines, size.messages - half, within)
                await publishing
                accepted = [*device.accepted, *ours.counts]
                await settles(accepted, runtime.handled)
        return reckon(
            accepted,
            runtime.handled.counts,
            pause=longest_pause(since, runtime.handled.moments, allowed=RESTART),
            note=f"{proxy.cuts} cuts, {proxy.repeats} packets twice",
            wrong=() if proxy.cuts and proxy.repeats else ("the network was not hostile",),
        )
