"""A handler's coroutine, as something to await, under our control between its steps.

Of a message's first attempt, the first step runs in the worker that leads, and only where it
suspends is there a rest. Stepping through it here tells how long each step held the event loop,
which errors are the handler's own, and whether it goes on after it was cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Generator
from typing import Any, Final, Protocol

BLOCKED_SECONDS = 0.25
"""A step that holds the loop longer is reported: at 4 steps a second nothing else is on time."""


class Watcher(Protocol):
    """Who hears what a handler does between its steps."""

    name: str

    def blocked(self, seconds: float) -> None:
        """A step has held the event loop for more than `BLOCKED_SECONDS`."""
        ...

    def survived(self, rest: StartedCoroutine) -> None:
        """A cancellation was raised in the handler, which goes on awaiting."""
        ...


class Abandoned(Exception):
    """The handler went on after its cancellation, and its coroutine was closed."""


class _Unbegun:
    """What takes the place of the first step's yield where there was no first step."""


UNBEGUN: Final = _Unbegun()


class StartedCoroutine:
    """Awaits the future that the first step yielded, then the coroutine to its end.

    `exited` is the GeneratorExit that the handler itself raised, if it did: any other means that
    whoever awaits this is being closed. `limit` is its time-out, `insistence` the task that gives
    it up if it outlives that; with `abandoned` the next cancellation closes the coroutine. `asker`
    is the task of this process that awaits the reply to what is handled, where there is one.
    """

    __slots__ = (
        "_coroutine", "_yielded", "abandoned", "asker", "exited", "insistence", "limit", "watcher",
    )  # fmt: skip

    def __init__(self, coroutine: Coroutine[Any, Any, Any], yielded: Any, watcher: Watcher) -> None:
        self._coroutine = coroutine
        self._yielded = yielded
        self.watcher = watcher
        self.limit: asyncio.Timeout | None = None
        self.insistence: asyncio.Task[None] | None = None
        self.abandoned = False
        self.asker: asyncio.Task[Any] | None = None
        self.exited: GeneratorExit | None = None

    @property
    def name(self) -> str:
        """The handler's, for the log."""
        return f"handler {self.watcher.name}"

    def __await__(self) -> Generator[Any, Any, Any]:
        coroutine, yielded = self._coroutine, self._yielded
        self._yielded = None
        cancelled = False
        step: Any
        value: Any
        while True:
            step, value = coroutine.send, None
            if yielded is not UNBEGUN:
                try:
                    value = yield yielded
                except GeneratorExit:
                    self._close()
                    raise
                except BaseException as error:  # noqa: BLE001  # the coroutine decides, as in `await`
                    if self.abandoned:
                        self._close()
                        raise Abandoned from None
                    step, value = coroutine.throw, error
                    cancelled = isinstance(error, asyncio.CancelledError)
            started = time.perf_counter()
            try:
                yielded = step(value)
            except StopIteration as stop:
                return stop.value
            except GeneratorExit as error:
                self.exited = error
                raise
            finally:
                held = time.perf_counter() - started
                if held > BLOCKED_SECONDS:
                    self.watcher.blocked(held)
            if cancelled:
                cancelled = False
                self.watcher.survived(self)

    def _close(self) -> None:
        with contextlib.suppress(BaseException):  # it may await, or raise, also in the face of this
            self._coroutine.close()
