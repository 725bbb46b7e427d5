"""One attempt of a handler: its time-out, whatever it raises, and what it leaves behind.

Any exception is a failed attempt, `SystemExit` and the handler's own cancellation too. Only when
the pool is closed does a cancellation pass: the message is then for the next process.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from dskity.bus.base.clock import Clock
from dskity.bus.base.tasks import spawn
from dskity.bus.base.threads import Job, ThreadPool
from dskity.bus.delivery import Delivery
from dskity.bus.errors import DSkityError
from dskity.handlers.route.stats import RouteStats
from dskity.handlers.started_coroutine import Abandoned, StartedCoroutine
from dskity.handlers.unawaited import unawaited

if TYPE_CHECKING:
    from dskity.handlers.worker_pool import WorkerPool

CANCELLED = "the handler cancelled itself"
CLEANUP_SECONDS = 5.0
"""What a handler has for its clean-up after the cancellation by its time-out."""
THREAD_PATIENCE = 30.0
"""Seconds for which a retry, and what waits for the key, wait for a thread beyond its time-out."""
_logger = logging.getLogger("dskity.handlers")


class Attempts:
    """The attempts of one route's messages. It is the `Watcher` of their coroutines."""

    def __init__(
        self,
        name: str,
        timeout: float | None,
        stats: RouteStats,
        pool: WorkerPool,
        threads: ThreadPool,
        clock: Clock,
    ) -> None:
        self.name = name
        self._timeout = timeout
        self._stats = stats
        self._pool = pool
        self._threads = threads
        self._clock = clock

    async def run(
        self, rest: StartedCoroutine, delivery: Delivery
    ) -> tuple[Any, BaseException | None]:
        """What the handler returned, or what it raised."""
        started = time.perf_counter()
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a worker's
        result: Any = None
        failure: BaseException | None = None
        if delivery.meta is not None:
            rest.asker = delivery.meta.asker
        self._pool.running[task] = rest
        try:
            async with self._clock.timeout(self._timeout) as limit:
                rest.limit = limit
                result = await rest
            if result is not None:
                failure = unawaited(result)
        except BaseException as error:  # noqa: BLE001  # whatever a handler raises has an outcome
            failure = self._failure(rest, error)
        finally:
            del self._pool.running[task]
            if rest.insistence is not None:
                rest.insistence.cancel()
            self._stats.busy_seconds += time.perf_counter() - started
        await self._pool.recover()
        if failure is not None and (job := self._threads.unfinished(task)) is not None:
            self._note_overdue(job, delivery)
        return result, failure

    def _failure(self, rest: StartedCoroutine, error: BaseException) -> BaseException:
        """The error that counts; raises where the worker itself is being ended."""
        if isinstance(error, GeneratorExit) and rest.exited is not error:
            raise error
        if self._pool.closed:
            raise asyncio.CancelledError from error
        failure = error
        if isinstance(error, TimeoutError) and rest.limit is not None and rest.limit.expired():
            self._stats.timed_out += 1
            failure = TimeoutError(f"not finished within {self._timeout:g} s")
        elif isinstance(error, Abandoned):
            failure = TimeoutError(
                f"not finished within {self._timeout:g} s, nor within {CLEANUP_SECONDS:g} s after "
                "the cancellation"
            )
        elif isinstance(error, asyncio.CancelledError):
            failure = DSkityError(CANCELLED)
        if failure is not error:
            failure.__cause__ = error
        return failure

    def blocked(self, seconds: float) -> None:
        """See `Watcher`."""
        self._stats.blocked += 1
        _logger.warning(
            "handler %s held the event loop for %.0f ms: make it a plain function (it then "
            "runs in a thread), or await",
            self.name,
            seconds * 1000,
        )

    def survived(self, rest: StartedCoroutine) -> None:
        """See `Watcher`. A handler may catch a cancellation of its own making, and clean up after
        ours, but not go on for ever."""
        limit, task = rest.limit, asyncio.current_task()
        if limit is None or task is None or not limit.expired() or rest.insistence is not None:
            return
        rest.insistence = spawn(self._insist(rest, task), name=f"time-out of {self.name}")

    async def _insist(self, rest: StartedCoroutine, task: asyncio.Task[Any]) -> None:
        await self._clock.sleep(CLEANUP_SECONDS)
        self._stats.timed_out += 1
        self._stats.ignored += 1
        _logger.warning(
            "handler %s still runs %g s after its time-out of %g s cancelled it and is abandoned: "
            "do not catch CancelledError",
            self.name,
            CLEANUP_SECONDS,
            self._timeout,
        )
        rest.insistence = None
        rest.abandoned = True
        task.cancel()

    # Threads of plain handlers

    def thread(self) -> Job | None:
        """The thread that an attempt of this task's message has left, if it still runs."""
        return self._threads.unfinished(asyncio.current_task())

    async def ended(self, job: Job) -> bool:
        """Wait for the end of a thread beyond its time-out; False where it takes too long."""
        try:
            async with self._clock.timeout(THREAD_PATIENCE):
                await job.ended.wait()
        except TimeoutError:
            _logger.warning(
                "handler %s: its thread has run for %.0f s; messages that wait for its key "
                "become dead letters",
                self.name,
                job.seconds,
            )
            return False
        return True

    def _note_overdue(self, job: Job, delivery: Delivery) -> None:
        self._stats.threads_overdue += 1
        _logger.warning(
            "handler %s still runs in its thread after %.1f s with a message of %s, past "
            "its time-out; later messages of the key wait for it",
            self.name,
            job.seconds,
            delivery.topic,
        )
        topic = delivery.topic

        def over() -> None:
            self._stats.threads_overdue -= 1
            _logger.info(
                "handler %s: the thread with a message of %s ended after %.1f s",
                self.name,
                topic,
                job.seconds,
            )

        job.on_end.append(over)
