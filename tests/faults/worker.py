"""The program that faults happen to: a whole runtime with a module that handles, or publishes.

`python -m tests.faults.worker SPEC.json`. What its handler has done with is in the journal
`handled`, what its `publish` has accepted in `accepted`, what it refused in `refused`, and its log
in `log`, all in the folder of the spec.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dskity.bootstrap import start
from dskity.bus.base.clock import SystemClock
from dskity.bus.base.throttled_log import ThrottledLog
from dskity.bus.bus import Bus
from dskity.bus.errors import DSkityError
from dskity.config import DSkitySettings
from dskity.handlers.dedupe import Dedupe
from dskity.modules import Message, Module, ModuleMeta, RetryPolicy, TransportClients
from dskity.process.logs import configure
from tests.faults.journal import Journal
from tests.faults.load import Load, payload_of, topic_of
from tests.faults.misbehaviour import block, misbehave

AT_ONCE = 200  # publishes on their way


@dataclass(frozen=True, slots=True)
class Spec:
    """`filter` is what its handler is on; `route` has the policy of it (`attempts` among its
    words), None for no handler; `pause` is the longest time, in seconds, that it takes. A
    `careless` handler returns before its work is done, as if messages were acknowledged on arrival:
    the suite must notice. With `block_timeout` there is a plain handler of `blocked/+`, too, which
    blocks for `block_seconds` (None: for ever) and is timed out after so long.

    `produce` is the range of numbers to publish, one `every` so many seconds; odd ones expire in
    `expires_in` seconds. `wall` is a file with the seconds by which the wall clock has been set."""

    settings: dict[str, Any]
    route: dict[str, Any] | None = None
    produce: tuple[int, int] | None = None
    every: float = 0.0
    pause: float = 0.0
    careless: bool = False
    wall: str | None = None
    expires_in: float | None = None
    filter: str = "load/{line}"
    block_timeout: float | None = None
    block_seconds: float | None = None

    def write(self, path: Path) -> None:
        """To a file that `read` reads."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Spec:
        """From a file."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


class Handling(Module):
    """Notes the number of each message that it has handled, and of each dead letter."""

    meta = ModuleMeta("faults", "/faults")

    def __init__(self, spec: Spec, folder: Path) -> None:
        self._spec = spec
        self._handled = Journal(folder / "handled")
        self._dead = Journal(folder / "dead")
        self._later: set[asyncio.Task[None]] = set()

    async def on_startup(self, clients: TransportClients) -> None:
        if self._spec.route is None:
            return
        policy = dict(self._spec.route)
        if "attempts" in policy:
            policy["retry"] = RetryPolicy(attempts=policy.pop("attempts"), backoff=0.01)
        if "dedupe" in policy:
            policy["dedupe"] = Dedupe(policy["dedupe"])
        bus = clients.bus
        await bus.subscribe(f"{bus.root}/dead-letter/{{topic...}}", self.bury)
        await bus.subscribe(self._spec.filter, self.handle, **policy)
        if (seconds := self._spec.block_timeout) is not None:
            once = RetryPolicy(attempts=1)
            await bus.subscribe("blocked/{line}", self.block, timeout=seconds, retry=once)

    def block(self, load: Load) -> None:
        block(self._spec.block_seconds)

    async def handle(self, load: Load) -> None:
        if load.do != "note":
            await misbehave(load)
        work = self._work(load.n)
        if self._spec.careless:
            self._later.add(asyncio.create_task(work, name=f"work {load.n}"))
        else:
            await work

    async def _work(self, number: int) -> None:
        if self._spec.pause:
            await asyncio.sleep(random.uniform(0, self._spec.pause))
        self._handled.note(number)

    async def bury(self, message: Message) -> None:
        number = re.search(rb"\d+", message.payload)
        assert number is not None
        self._dead.note(int(number[0]))


async def produce(bus: Bus, spec: Spec, folder: Path) -> None:
    """Publish in order, many at once, and note each number as it is accepted or refused."""
    assert spec.produce is not None
    accepted, refused = Journal(folder / "accepted"), Journal(folder / "refused")
    places = asyncio.Semaphore(AT_ONCE)
    reasons = ThrottledLog(logging.getLogger("producer"), bus.clock)

    async def one(number: int) -> None:
        try:
            expires_in = spec.expires_in if number % 2 else None
            await bus.publish(topic_of(number), payload_of(number), expires_in=expires_in)
        except DSkityError as error:
            refused.note(number)
            reasons.warn(f"refused: {type(error).__name__}: {error}")
        else:
            accepted.note(number)
        finally:
            places.release()

    async with asyncio.TaskGroup() as group:
        for number in range(*spec.produce):
            await places.acquire()
            group.create_task(one(number), name=f"publish {number}")
            if spec.every:
                await asyncio.sleep(spec.every)


def set_clock(wall: Path) -> None:
    """From now on the wall clock differs by the seconds in the file, if there is one."""
    told = SystemClock.time

    def time() -> float:
        return told() + (float(wall.read_text(encoding="utf-8")) if wall.exists() else 0)

    SystemClock.time = staticmethod(time)


async def main(spec: Spec, folder: Path) -> None:
    """Run until SIGTERM."""
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    if spec.wall is not None:
        set_clock(Path(spec.wall))
    settings = DSkitySettings.isolated(**spec.settings)
    handling = Handling(spec, folder)
    async with await start(settings, modules=[handling]) as runtime:
        if spec.produce is not None:
            await produce(runtime.bus, spec, folder)
        await told.wait()


if __name__ == "__main__":
    given = Path(sys.argv[1])
    configure("info", "text")
    try:
        asyncio.run(main(Spec.read(given), given.parent))
    except DSkityError as error:
        sys.exit(f"{type(error).__name__}: {error}")
