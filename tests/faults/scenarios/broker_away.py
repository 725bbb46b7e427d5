"""The broker is away while the runtime publishes; what is in the outbox then leaves in order."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.journal import Ledger
from tests.faults.load import out_of_order
from tests.faults.outcome import RESTART, Outcome, Size, longest_pause, reckon
from tests.faults.process import settings, worker
from tests.faults.watching import reaches, settles
from tests.faults.worker import Spec
from tests.servers import mosquitto


def nothing() -> None:
    """Happens while the runtime is down."""


async def broker_away(
    size: Size, folder: Path, *, while_down: Callable[[], None] = nothing
) -> Outcome:
    """All is published before the broker comes, and then leaves; `kill -9` interrupts either,
    `size.faults` times."""
    with mosquitto(up=False) as broker:
        roomy = {"outbox": {"max_messages": 2 * size.messages}}
        own = settings(folder, broker.port, bus=roomy)
        with worker(folder, Spec(own, {}, (0, size.messages))) as runtime:
            accepted, handled = runtime.accepted, runtime.handled
            within = 30 + size.messages / 200
            step = size.messages // (size.faults + 1)
            for _ in range(size.faults):
                moment = accepted.update().lines + random.randint(1, step)
                await reaches(lambda: accepted.update().lines, moment, within)
                runtime.kill()
                runtime.change(Spec(own, {}, (_next(accepted), size.messages)))
                runtime.start()
            await reaches(lambda: _next(accepted), size.messages, within)
            runtime.change(Spec(own, {}))
            since = time.monotonic()
            broker.start()
            for _ in range(size.faults):
                done = handled.update().lines
                moment = done + random.randint(1, max(1, size.messages // (2 * size.faults)))
                await reaches(lambda: handled.update().lines, min(moment, size.messages), within)
                runtime.kill()
                while_down()
                runtime.start()
            await settles(accepted.counts, handled)
        late = out_of_order(handled.order)
        return reckon(
            accepted.counts,
            handled.counts,
            pause=longest_pause(since, handled.moments, allowed=RESTART),
            note=f"killed {size.faults} times while it published, and as often in the drain",
            wrong=(f"{len(late)} out of order",) if late else (),
        )


def _next(accepted: Ledger) -> int:
    """The first number that was not accepted: its publisher was killed, and publishes it again."""
    return max(accepted.update().counts, default=-1) + 1
