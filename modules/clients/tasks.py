"""The tasks of one parent in a module: waited for or cancelled together. They are those of
`bus/base/tasks.py`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from dskity.bus.base import tasks
from dskity.bus.base.clock import Clock


class Tasks:
    """What synchronous calls of a module have begun, and its loops.

    An error is logged and counted. While `held`, until `go_live()`, it waits for `settle()`, which
    raises it.
    """

    def __init__(self, logger: logging.Logger, *, held: bool = False) -> None:
        self._logger = logger
        self._tasks: set[asyncio.Task[Any]] = set()
        self._live = not held

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        """Run `work` as a task called `name`."""
        self._add(tasks.spawn(work, name=name, awaited=True))

    def keep_running(
        self, work: Callable[[], Coroutine[Any, Any, None]], name: str, clock: Clock
    ) -> None:
        """Run the loop `work()`, which starts again after an unforeseen error."""
        self._add(tasks.keep_running(work, name=name, clock=clock))

    async def settle(self) -> None:
        """Wait for all that was begun; raises the first error."""
        errors: list[BaseException] = []
        while self._tasks:
            done, _ = await asyncio.wait(tuple(self._tasks))
            self._tasks -= done
            errors += [error for task in done if (error := _error_of(task)) is not None]
        if errors:
            raise errors[0]

    def go_live(self) -> None:
        """`settle()` is not called any more."""
        self._live = True

    async def close(self) -> None:
        """Cancel what is still running."""
        mine, self._tasks = self._tasks, set()
        for task in mine:
            task.cancel()
        if mine:
            await asyncio.wait(mine)

    def _add(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        error = _error_of(task)
        if self._live and task in self._tasks:
            self._tasks.discard(task)
            if error is not None:
                tasks.health().count(task.get_name())
                self._logger.error("%s: %s", task.get_name(), error, exc_info=error)


def _error_of(task: asyncio.Task[Any]) -> BaseException | None:
    return None if task.cancelled() else task.exception()
