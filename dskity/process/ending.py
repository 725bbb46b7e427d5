"""The end of the process, which nothing that a module left behind holds up.

`asyncio.run` waits for every task, also for one that ignores its cancellation, and then for the
threads of the default executor; so does the interpreter. When everything of ours is closed there is
no reason to: what has not ended a second later is named in the log, and the process ends.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from dskity.bus.base.tasks import report

PATIENCE = 1.0
"""Seconds for tasks and threads that a module left behind."""
_POLL = 0.01
_logger = logging.getLogger(__name__)


def run_to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """As `asyncio.run`, but for the wait at the end. An error of `work` is raised."""
    executor = ThreadPoolExecutor(thread_name_prefix="asyncio")  # the default, but within reach
    runner = asyncio.Runner()
    try:
        runner.get_loop().set_default_executor(executor)
        _run(runner, work)
    except BaseException:
        runner.close()
        raise
    left = [*runner.run(_tasks_left()), *_threads_left(executor)]
    if not left:
        runner.close()
        return
    _logger.warning("the process exits although this code still runs: %s", ", ".join(left))
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _run(runner: asyncio.Runner, work: Coroutine[Any, Any, None]) -> None:
    """Run `work` until it is done: what else runs in the loop, such as a task that a handler has
    started, ends neither the loop nor the process."""
    context = contextvars.copy_context()
    main: list[asyncio.Task[Any] | None] = []

    async def noted() -> None:
        main.append(asyncio.current_task())
        await work

    go_on: Callable[[], object] = partial(runner.run, noted(), context=context)
    while True:
        try:
            go_on()
        except (SystemExit, KeyboardInterrupt, RuntimeError) as error:
            task = main[0] if main else None
            if task is None or task.done() or _is_ctrl_c(error):
                raise
            context.run(report, "code that no handler awaits", error)
            go_on = partial(runner.get_loop().run_until_complete, task)
        else:
            return


def _is_ctrl_c(error: BaseException) -> bool:
    """Python's own, or the runner's; while others hear the signal only code raises it."""
    hears = signal.getsignal(signal.SIGINT)
    theirs = hears is signal.default_int_handler or isinstance(hears, partial)
    return isinstance(error, KeyboardInterrupt) and theirs


async def _tasks_left() -> list[str]:
    """Cancel all tasks; those that go on."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if not tasks:
        return []
    _, pending = await asyncio.wait(tasks, timeout=PATIENCE)
    return sorted(f"task {task.get_name()}" for task in pending)


def _threads_left(executor: ThreadPoolExecutor) -> list[str]:
    """End idle threads; those that the interpreter would wait for."""
    executor.shutdown(wait=False, cancel_futures=True)
    deadline = time.monotonic() + PATIENCE
    while (left := _joined_at_the_end()) and time.monotonic() < deadline:
        time.sleep(_POLL)
    return sorted(f"thread {name}" for name in left)


def _joined_at_the_end() -> list[str]:
    main = threading.main_thread()
    return [t.name for t in threading.enumerate() if not t.daemon and t is not main]
