"""Long-lived tasks, each with a parent that sees its end.

A task whose error nobody reads ends in silence, and with it whatever only that task did. So every
task of this project that no `TaskGroup` waits for starts here: `keep_running` for a loop, which
starts again after an unforeseen error, `spawn` for work that ends by itself. Such an error is
logged at ERROR with its traceback and the task's name, counted, and shown by readiness until the
loop runs again. `tests/house` checks that nothing else calls `create_task`. A callback of somebody
else is called by `call`, so that its error does not end the task that calls it.

Where errors are counted is the `TaskHealth` of the context: a runtime sets one of its own before it
starts anything (`observe`), and its tasks inherit it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections import Counter
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from types import FrameType
from typing import Any, TypeVar

from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.base.wording import in_words, shown

T = TypeVar("T")
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 30.0
"""Seconds before a loop that failed starts again; each failure in a row doubles the pause."""
STEADY_AFTER = 60.0
"""Seconds without an error, after which the next one is the first in a row."""
MOST_NAMES = 200
"""Names that are counted apart; modules name tasks of their own, after filters for example."""
OTHER = "other"
"""The name under which all further ones are counted."""
_logger = logging.getLogger(__name__)


class TaskHealth:
    """What became of the tasks of one runtime: `errors` counts unforeseen errors by task name (at
    most `MOST_NAMES`, and `OTHER`), `failing` has the reason of each task that does not run now and
    should."""

    def __init__(self) -> None:
        self.errors: Counter[str] = Counter()
        self.failing: dict[str, str] = {}

    def failed(self, name: str, error: BaseException) -> None:
        """An unexpected error has ended a task, or one run of its loop."""
        self.count(name)
        self.failing[name] = in_words(error)

    def count(self, name: str) -> None:
        """One more unforeseen error."""
        known = name in self.errors or len(self.errors) < MOST_NAMES
        self.errors[name if known else OTHER] += 1

    def recovered(self, name: str) -> None:
        """The task runs again, or is not wanted any more."""
        self.failing.pop(name, None)


_health: ContextVar[TaskHealth] = ContextVar("dskity_task_health", default=TaskHealth())  # noqa: B039  # the one for tasks outside of any runtime


_users_code: ContextVar[bool] = ContextVar("dskity_users_code", default=False)


def health() -> TaskHealth:
    """The record that tasks started from here report to."""
    return _health.get()


def observe() -> TaskHealth:
    """A new record for all tasks that this context starts from now on."""
    record = TaskHealth()
    _health.set(record)
    return record


def keep_running(
    work: Callable[[], Coroutine[Any, Any, None]], *, name: str, clock: Clock = SYSTEM_CLOCK
) -> asyncio.Task[None]:
    """Run the loop `work()` as a task until it returns or the task is cancelled.

    An unforeseen error (any `BaseException` but the task's own cancellation) starts it again, after
    a pause of 0.1 s that doubles up to 30 s.
    """
    loop = asyncio.get_running_loop()
    return _Kept(_keep(work, name, clock, health()), loop=loop, name=name)


def spawn(work: Coroutine[Any, Any, T], *, name: str, awaited: bool = False) -> asyncio.Task[T]:
    """Run `work` once, as a task. An error is logged and counted, unless the task is `awaited`:
    then it is for the task that awaits it.

    What would end more than the task (`SystemExit`, `KeyboardInterrupt`), or end it as if somebody
    had cancelled it, becomes `TaskEnded`.
    """
    task = asyncio.get_running_loop().create_task(_contained(work), name=name)
    # Cancelled before its first step, the task never comes to `work`, and nobody else does.
    task.add_done_callback(lambda _: work.close())
    if not awaited:
        record = health()
        task.add_done_callback(lambda ended: _ended(ended, record))
    return task


def call(name: str, callback: Callable[..., object], *args: Any, **named: Any) -> None:
    """Call `callback(*args, **named)`; any error of it is reported under `name`, and stays here.

    For synchronous callbacks only, which nothing can cancel: also a `BaseException` is an error.
    """
    try:
        callback(*args, **named)
    except BaseException as error:  # noqa: BLE001  # what is called is somebody else's
        report(name, error)


def report(name: str, error: BaseException) -> None:
    """Log at ERROR, with its traceback, and count an unexpected error, where the work goes
    on all the same."""
    health().count(name)
    _log(name, error, "")


def not_ours() -> None:
    """What this context runs from now on, and what it starts, is code of a user's: it may not end
    our loops, as `for task in asyncio.all_tasks(): task.cancel()` would."""
    _users_code.set(True)


class _Kept(asyncio.Task[T]):
    """A loop of ours, which only code of ours cancels in the context of a user's code."""

    def cancel(self, msg: Any | None = None) -> bool:
        """See `asyncio.Task`."""
        if _users_code.get() and not _is_ours(sys._getframe(1)):  # noqa: SLF001  # who calls
            _logger.warning(
                "%s continues although module code cancelled it: cancel only your own tasks",
                self.get_name(),
            )
            return False
        return super().cancel(msg)


def _is_ours(frame: FrameType) -> bool:
    name = str(frame.f_globals.get("__name__", ""))
    return name.partition(".")[0] == __name__.partition(".")[0]


class TaskEnded(RuntimeError):
    """The code of a task raised what is for the process or the task's owner to raise; the cause is
    the original error."""


async def _keep(
    work: Callable[[], Coroutine[Any, Any, None]], name: str, clock: Clock, record: TaskHealth
) -> None:
    pause = SHORTEST_PAUSE
    try:
        while True:
            started = clock.monotonic()
            record.recovered(name)
            error = await _one_run(work, name)
            if error is None:
                return
            record.failed(name, error)
            if clock.monotonic() - started >= STEADY_AFTER:
                pause = SHORTEST_PAUSE
            _log(name, error, f"; it restarts in {pause:g} s")
            await clock.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
    finally:
        record.recovered(name)


async def _one_run(
    work: Callable[[], Coroutine[Any, Any, None]], name: str
) -> BaseException | None:
    """The error that ended `work()`, or None.

    It runs in a task of its own: of one in which a `TaskGroup` failed nobody can tell afterwards
    whether its owner has cancelled it (before Python 3.13 the group does not take back its
    cancellation of it).
    """
    run = _Kept(_outcome(work), loop=asyncio.get_running_loop(), name=name)
    try:
        await asyncio.wait((run,))
    except asyncio.CancelledError:
        error = await _end(run)
        if isinstance(error, Exception):  # before Python 3.12 `wait_for` makes one of it
            raise error from None
        raise
    return run.result()


async def _outcome(work: Callable[[], Coroutine[Any, Any, None]]) -> BaseException | None:
    try:
        await work()
    except BaseException as error:  # noqa: BLE001  # the loop starts again after any
        return error
    return None


async def _end(run: asyncio.Task[BaseException | None]) -> BaseException | None:
    """Cancel it until it has ended."""
    while not run.done():
        run.cancel()
        with contextlib.suppress(asyncio.CancelledError):  # the owner is impatient
            await asyncio.wait((run,))
    return None if run.cancelled() else run.result()


async def contained(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """For a task of a `TaskGroup`: what `make()` is, without errors that end the process."""
    return await _contained(make())


async def _contained(work: Coroutine[Any, Any, T]) -> T:
    try:
        return await work
    except (SystemExit, KeyboardInterrupt, asyncio.CancelledError) as error:
        if is_ending():
            raise
        raise TaskEnded(f"a task raised {shown(error)}") from error


def _ended(task: asyncio.Task[Any], record: TaskHealth) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        record.count(task.get_name())
        _log(task.get_name(), error, "")


def is_ending() -> bool:
    """Whether the current task was cancelled by its owner, or its coroutine is being closed: then
    no error of it is unforeseen."""
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs any more
        return True
    return task is None or task.cancelling() > 0


def _log(name: str, error: BaseException, more: str) -> None:
    _logger.error("%s failed: %s%s", name, shown(error), more, exc_info=error)
