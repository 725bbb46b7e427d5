"""The disk of the outbox is full, or read-only."""

from __future__ import annotations

import time
from pathlib import Path

from tests.faults.load import out_of_order
from tests.faults.outcome import RESTART, Outcome, Size, longest_pause, reckon
from tests.faults.process import settings, worker
from tests.faults.surroundings import read_only, small_disk
from tests.faults.watching import reaches, settles
from tests.faults.worker import Spec
from tests.servers import mosquitto

_DISK = 1024  # KiB; the databases of an empty state_dir take half of it
_FULL = "the outbox cannot be written"


async def disk_full(size: Size, folder: Path) -> Outcome:
    """The broker is away until the outbox has filled the disk; then it comes."""
    with mosquitto(up=False) as broker:
        own = settings(folder, broker.port)
        spec = Spec(own, {}, (0, size.messages))
        with worker(folder, spec, small_disk(folder / "state", _DISK)) as runtime:
            accepted, refused = runtime.accepted, runtime.refused

            def answered() -> int:
                return accepted.update().lines + refused.update().lines

            await reaches(answered, size.messages, 30 + size.messages / 200)
            since = time.monotonic()
            broker.start()
            await settles(accepted.counts, runtime.handled)
            wrong = []
            if not refused.lines:
                wrong.append("the disk was not filled")
            elif _FULL not in runtime.log:
                wrong.append("no clear error")
            if out_of_order(runtime.handled.order):
                wrong.append("out of order")
    note = f"{refused.lines} refused with the reason"
    return reckon(
        accepted.counts,
        runtime.handled.counts,
        pause=longest_pause(since, runtime.handled.moments, allowed=RESTART),
        note=note,
        wrong=wrong,
    )


async def disk_read_only(size: Size, folder: Path) -> Outcome:
    """A start on a read-only `state_dir` fails and leaves what is in the outbox."""
    with mosquitto(up=False) as broker:
        own = settings(folder, broker.port)
        with worker(folder, Spec(own, {}, (0, size.messages))) as runtime:
            accepted = runtime.accepted
            await reaches(lambda: accepted.update().lines, size.messages)
            runtime.kill()
        broker.start()
        with worker(folder, Spec(own, {}), read_only(folder / "state")) as barred:
            status = barred.ended()
            said = barred.log.splitlines()[-1]
        since = time.monotonic()
        with worker(folder, Spec(own, {})) as runtime:
            await settles(accepted.counts, runtime.handled)
    clear = status == 1 and "state" in said and "ead-only" in said
    return reckon(
        accepted.counts,
        runtime.handled.counts,
        pause=longest_pause(since, runtime.handled.moments, allowed=RESTART),
        wrong=() if clear else (f"said {said!r}",),
    )
