"""Calling `register` and the hooks of one module: whatever they do, the others go on.

All of them run in one task, which is the module's: a hook that cancels its task, raises what would
end the process, or goes on after its time-out does so there. It is one for all, because what
`on_startup` enters may have to be left in the same task (a `TaskGroup`, a cancel scope of anyio).
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import Any

from dskity.bus.base.tasks import not_ours, spawn
from dskity.bus.base.wording import in_words
from dskity.bus.errors import InvalidHandler, ModuleFailed

CLEANUP_SECONDS = 1.0
"""What a hook has for its clean-up after the cancellation by its time-out."""
_logger = logging.getLogger(__name__)
_Outcome = BaseException | None


class Hooks:
    """The task in which the code of one module runs, from its first hook to `close`."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._calls: asyncio.Queue[tuple[Callable[[], Any], asyncio.Future[_Outcome]]] = (
            asyncio.Queue()
        )
        self._task: asyncio.Task[None] | None = None
        self._over = False

    @property
    def usable(self) -> bool:
        """Whether `run` still runs anything: not after a hook that did not return in time."""
        return not self._over

    async def run(self, name: str, call: Callable[[], Any], seconds: float) -> None:
        """Run `call()`, and await what it returns if that can be awaited.

        Raises its `Exception`; `ModuleFailed` for any other `BaseException`, and after `seconds`.
        """
        done: asyncio.Future[_Outcome] = asyncio.get_running_loop().create_future()
        if self._task is None or self._task.done():
            self._task = spawn(self._serve(), name=f"hooks of module {self._module}", awaited=True)
        task = self._task
        self._calls.put_nowait((call, done))
        try:
            await asyncio.wait((done,), timeout=seconds)
        except asyncio.CancelledError:
            await self._end(name, task)
            raise
        if not done.done():
            await self._end(name, task)
            raise ModuleFailed(
                self._module,
                f"{name} did not return within {seconds:g} s: start long work in a task",
            )
        error = done.result()
        if isinstance(error, Exception):
            raise error
        if error is not None:
            raise ModuleFailed(self._module, f"{name} raised {in_words(error)}") from error

    def close(self) -> None:
        """No hook runs any more."""
        self._over = True
        if self._task is not None:
            self._task.cancel()

    async def _serve(self) -> None:
        not_ours()
        while not self._over:
            try:
                call, done = await self._calls.get()
            except asyncio.CancelledError:  # of a hook that cancelled its own task, or of `close`
                continue
            outcome = await _outcome(call)
            if not done.done():
                done.set_result(outcome)

    async def _end(self, name: str, task: asyncio.Task[None]) -> None:
        self.close()
        if (await asyncio.wait((task,), timeout=CLEANUP_SECONDS))[1]:
            _logger.warning(
                "module %s: %s ignores its cancellation and is abandoned", self._module, name
            )


async def _outcome(call: Callable[[], Any]) -> _Outcome:
    """What it raised, if anything: also the cancellation of its own task."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  # the module's
    try:
        result = call()
        if inspect.isgenerator(result) or inspect.isasyncgen(result):
            return InvalidHandler("it contains `yield`, so a call does not run it: remove `yield`")
        if inspect.isawaitable(result):
            await result
    except BaseException as error:  # noqa: BLE001  # it is the module's failure
        return error
    finally:
        while task.cancelling():
            task.uncancel()
    return None
