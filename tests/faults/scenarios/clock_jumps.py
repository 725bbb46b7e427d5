"""The wall clock is set while messages wait in the outbox: by years, as at the first contact with a
time server, and back."""

from __future__ import annotations

import time
from pathlib import Path

from tests.faults.outcome import RESTART, Outcome, Size, longest_pause, reckon
from tests.faults.process import settings, worker
from tests.faults.watching import reaches, settles
from tests.faults.worker import Spec
from tests.servers import mosquitto

_YEAR = 365 * 86_400.0
_STEPS = (50 * _YEAR, -3600.0, 2 * _YEAR, -40 * _YEAR)
_MAX_AGE = 7 * 86_400.0
_EXPIRES_IN = 600.0


async def clock_jumps(size: Size, folder: Path) -> Outcome:
    """Half of the messages may be `_MAX_AGE` old, the others expire sooner; none is so old. The
    runtime is killed when all wait, and the clock is set once more while they leave."""
    wall = folder / "wall"
    bounds = {"max_messages": 2 * size.messages, "max_age_seconds": _MAX_AGE}
    with mosquitto(up=False) as broker:
        own = settings(folder, broker.port, bus={"outbox": bounds})
        numbers = 0, size.messages
        spec = Spec(own, {}, numbers, wall=str(wall), expires_in=_EXPIRES_IN)
        with worker(folder, spec) as runtime:
            accepted, handled = runtime.accepted, runtime.handled
            set_by = 0.0
            for number, step in enumerate(_STEPS, 1):
                moment = number * size.messages // (len(_STEPS) + 1)
                await reaches(lambda: accepted.update().lines, moment)
                set_by += step
                set_clock(wall, set_by)
            set_after = accepted.update().lines
            await reaches(lambda: accepted.update().lines, size.messages)
            runtime.kill()
            runtime.change(Spec(own, {}, wall=str(wall)))
            since = time.monotonic()
            runtime.start()
            broker.start()
            await reaches(lambda: handled.update().lines, 1)
            set_clock(wall, -set_by)
            await settles(accepted.counts, handled)
    return reckon(
        accepted.counts,
        handled.counts,
        pause=longest_pause(since, handled.moments, allowed=RESTART),
        note=f"set {len(_STEPS) + 1} times, by up to 50 years; killed once",
        wrong=() if set_after < size.messages else ("nothing was published after the last",),
    )


def set_clock(wall: Path, seconds: float) -> None:
    """See `Spec.wall`; whole at once, for it is read all the time."""
    new = wall.with_suffix(".new")
    new.write_text(str(seconds), encoding="utf-8")
    new.replace(wall)
