"""Keeping a program running: waited for, started again when it falls, stopped with us."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shlex
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from dskity.broker.backoff import Backoff
from dskity.broker.engines.child import Child
from dskity.bus.base import tasks
from dskity.bus.errors import EngineError

if TYPE_CHECKING:
    from dskity.bus.base.clock import Clock

log = logging.getLogger(__name__)

READY_WITHIN = 10.0
STOP_WITHIN = 10.0  # mosquitto writes its database first
STEADY_AFTER = 60.0  # up this long, the next crash is a new one, not the same again
_POLL = 0.02


@dataclass(frozen=True, slots=True)
class Crash:
    """The program exited unexpectedly, or did not start again; it restarts in `restart_in` s."""

    reason: str
    lines: tuple[str, ...]
    """The last lines that it wrote."""
    restart_in: float


class ProcessSupervisor:
    """Runs `command`, again and again, until `stop`.

    `ready` tells whether a run is of use yet. `on_line` gets what the program writes to standard
    error, and `on_crash` every crash, beside the log line; both are called on the event loop.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        ready: Callable[[], Awaitable[bool]],
        *,
        on_line: Callable[[str], None],
        on_crash: Callable[[Crash], None] | None,
        clock: Clock,
    ) -> None:
        self._name = name
        self._command = command
        self._ready = ready
        self._on_line = on_line
        self._on_crash = on_crash
        self._clock = clock
        self._child: Child | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def healthy(self) -> bool:
        """Whether it runs, and was ready."""
        return self._child is not None and self._child.alive

    @property
    def pid(self) -> int | None:
        """Of the run of now."""
        return self._child.pid if self._child is not None else None

    async def start(self) -> None:
        """Return when it is ready; `EngineError` says why it is not."""
        self._child = child = await self._launch()
        self._task = tasks.keep_running(
            partial(self._keep, child), name=f"{self._name} keeper", clock=self._clock
        )

    async def stop(self) -> None:
        """Return when it is gone."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        child, self._child = self._child, None
        if child is not None:
            await child.stop(STOP_WITHIN)

    async def _launch(self) -> Child:
        child = await Child.spawn(self._command, self._on_line)
        try:
            await self._answers(child)
        except BaseException:
            await child.stop(STOP_WITHIN)
            raise
        return child

    async def _answers(self, child: Child) -> None:
        # The port was free a moment ago; should another broker have taken it since, then the
        # child is about to end, and an answer counts only while it lives.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_WITHIN):
                while child.alive:
                    if await self._ready() and child.alive:
                        return
                    await asyncio.sleep(_POLL)
                await child.wait()
        state = f"does not answer after {READY_WITHIN:g} s" if child.alive else "ended at once"
        last = "\n  ".join(("its last output:", *child.tail)) if child.tail else "no output"
        raise EngineError(f"{shlex.join(self._command)} {state}; {last}")

    async def _keep(self, first: Child) -> None:
        """See that it runs, `first` to begin with; after an error of this, from the last one."""
        delays = Backoff(self._clock)
        child = self._child or first
        while True:
            since = self._clock.monotonic()
            status = await child.wait()
            if self._clock.monotonic() - since >= STEADY_AFTER:
                delays.reset()
            reason = f"{self._name} exited unexpectedly ({_describe(status)})"
            self._child = child = await self._revive(delays, reason, child.tail)

    async def _revive(self, delays: Backoff, reason: str, lines: tuple[str, ...]) -> Child:
        while True:
            crash = Crash(reason, lines, delays.delay())
            log.error("\n  ".join((f"{reason}; restarting in {crash.restart_in:.1f} s", *lines)))
            if self._on_crash is not None:
                tasks.call(f"{self._name} on_crash", self._on_crash, crash)
            await self._clock.sleep(crash.restart_in)
            try:
                return await self._launch()
            except EngineError as error:
                reason, lines = str(error), ()


def _describe(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"
