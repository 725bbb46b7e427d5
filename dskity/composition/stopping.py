"""From SIGTERM and Ctrl-C to the end: the first one drains, a second Ctrl-C ends at once.

The handlers are Python's own, not the loop's: a loop that a handler holds up hears nothing, and
then Ctrl-C is wanted most.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from dskity.composition.runtime import Runtime

T = TypeVar("T")
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_UP = {"started", "quarantined"}
_REPORT_SECONDS = 1.0
_NAMED = 8  # handlers and modules that are named; of more, their number
_logger = logging.getLogger("dskity")


class Stopping:
    """Hears the signals while the block lasts; `told` is set by the first one.

    A second SIGINT ends the process with status 130, as shells have it. A second SIGTERM does
    nothing: who sends it goes on to SIGKILL by itself. `runtime` is told once there is one. With
    `alone` nobody but the signals ends this task: the process has no other one that could.
    """

    def __init__(self, *, alone: bool = False) -> None:
        self._alone = alone
        self.told = asyncio.Event()
        self.runtime: Runtime | None = None
        self.since: float | None = None
        """When it was told first, in monotonic seconds."""
        self._interrupt: Callable[[], object] | None = None
        self._ending: threading.Thread | None = None
        self._loop = asyncio.get_running_loop()
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.since is None:
            self.since = time.monotonic()
            self._loop.call_soon_threadsafe(self._tell)
        elif number == signal.SIGINT and self._ending is None:
            self._ending = _end_soon(self.runtime)

    def _tell(self) -> None:
        self.told.set()
        if self._interrupt is not None:
            self._interrupt()

    async def wait(self) -> None:
        """Return once told."""
        task = asyncio.current_task()
        while not self.told.is_set():
            try:
                await self.told.wait()
            except asyncio.CancelledError:
                if not self._alone or task is None:
                    raise
                task.uncancel()
                _logger.warning(
                    "module code cancelled the main task of the runtime, which continues: "
                    "cancel only your own tasks"
                )

    async def unless_told(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What `work` returns; it is cancelled, and None, where the first signal comes earlier."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # the caller's
        self._interrupt = task.cancel
        try:
            return await work
        except asyncio.CancelledError:
            if not self.told.is_set():
                raise
            task.uncancel()
            return None
        finally:
            self._interrupt = None


def cut_off(runtime: Runtime | None) -> Iterator[str]:
    """What an end at this moment leaves undone, a sentence each."""
    if runtime is None:
        yield "the start was not complete"
        return
    connections = runtime.core.connections.values()
    handlers = [
        f"{route.name} ({route.unfinished})"
        for each in connections
        for route in each.dispatcher.routes
        if route.unfinished
    ]
    if handlers:
        yield f"handlers still running or waiting, with their messages: {_list(handlers)}"
    messages = sum(each.dispatcher.in_flight.messages for each in connections)
    if messages:
        yield f"messages in flight: {messages}; the broker sends those of QoS 1 and 2 again"
    modules = [name for name, unit in runtime.supervisor.states().items() if unit.state in _UP]
    if modules:
        yield f"modules not stopped: {_list(modules)}"


def _list(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _end_soon(runtime: Runtime | None) -> threading.Thread:
    """In a signal handler, which must return: the code that it interrupts may hold the lock that a
    log handler waits for, and releases it only when it goes on.

    What is cut off is read here, where nothing changes it meanwhile. The thread is no daemon: the
    interpreter waits for it, so the status is 130 even where the drain ends first.
    """
    sentences: list[str] = []
    with contextlib.suppress(Exception):  # it must end, whatever can be said about it
        sentences.extend(cut_off(runtime))
    ending = threading.Thread(target=_end, args=(sentences,), name="end at once")
    ending.start()
    return ending


def _end(sentences: list[str]) -> None:
    """The report has a thread of its own, and bounded time: its log handler may block."""
    report = threading.Thread(target=_report, args=(sentences,), name="cut off", daemon=True)
    report.start()
    report.join(_REPORT_SECONDS)
    os._exit(128 + signal.SIGINT)


def _report(sentences: list[str]) -> None:
    with contextlib.suppress(Exception):  # as above
        _logger.warning("stopped at once by a second Ctrl-C")
        for sentence in sentences:
            _logger.warning("cut off: %s", sentence)
        sys.stdout.flush()
