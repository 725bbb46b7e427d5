"""The runtime is killed again and again while messages come, and started at once."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import Any

from tests.faults.outcome import RESTART, Outcome, Size, longest_pause, reckon
from tests.faults.process import settings, worker
from tests.faults.publisher import Publisher
from tests.faults.watching import reaches, settles
from tests.faults.worker import Spec
from tests.servers import mosquitto


async def runtime_killed(
    size: Size,
    folder: Path,
    *,
    pause: float = 0.002,
    careless: bool = False,
    **route: Any,
) -> Outcome:
    """`kill -9` at a random moment, by turns of the handling and of the arrival, `size.faults`
    times."""
    batch = size.messages // size.faults
    with mosquitto(["max_inflight_messages 1000"]) as broker:
        publisher = Publisher(broker.port)
        own = settings(folder, broker.port)
        spec = Spec(own, route, pause=pause, careless=careless)
        with worker(folder, spec) as runtime:
            handled = runtime.handled
            await reaches(lambda: runtime.lives, 1)
            since = time.monotonic()
            for life in range(size.faults):
                numbers = range(life * batch, (life + 1) * batch)
                publishing = asyncio.create_task(publisher.publish(numbers), name="load")
                moment = random.randint(1, batch // 2)  # of this life, at least
                if life % 2:
                    await reaches(lambda: len(publisher.accepted), life * batch + moment)
                else:
                    await reaches(lambda: handled.update().lines, handled.update().lines + moment)
                runtime.kill()
                await publishing
                runtime.start()
            await settles(publisher.accepted, handled)
        return reckon(
            publisher.accepted,
            handled.counts,
            pause=longest_pause(since, handled.moments, allowed=RESTART),
            note=f"killed {size.faults} times",
        )
