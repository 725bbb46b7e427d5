"""Tasks of one parent: each has a name, is waited for or cancelled, and no error is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any


class Tasks:
    """What synchronous calls of a module have begun.

    An error is logged. While `held`, until `go_live()`, it waits for `settle()`, which raises it.
    """

    def __init__(self, logger: logging.Logger, *, held: bool = False) -> None:
        self._logger = logger
        self._tasks: set[asyncio.Task[Any]] = set()
        self._live = not held

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        """Run `work` as a task called `name`."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

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
        """Nobody calls `settle()` any more."""
        self._live = True

    async def close(self) -> None:
        """Cancel what is still running."""
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _done(self, task: asyncio.Task[Any]) -> None:
        error = _error_of(task)
        if self._live and task in self._tasks:
            self._tasks.discard(task)
            if error is not None:
                self._logger.error("%s: %s", task.get_name(), error, exc_info=error)


def _error_of(task: asyncio.Task[Any]) -> BaseException | None:
    return None if task.cancelled() else task.exception()
