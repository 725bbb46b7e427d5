"""The end of the process, which nothing that a module left behind holds up.

`asyncio.run` waits for every task, also for one that ignores its cancellation, and then for the
threads of the default executor; so does the interpreter. When everything of ours is closed there is
no reason to: what has not ended a second later is named in the log, and the process ends.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

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
        runner.run(work)
    except BaseException:
        runner.close()
        raise
    left = [*runner.run(_tasks_left()), *_threads_left(executor)]
    if not left:
        runner.close()
        return
    _logger.warning("the process ends without what does not end: %s", ", ".join(left))
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


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
