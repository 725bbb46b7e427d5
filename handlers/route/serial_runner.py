"""A suspended message of a key, seen through; then the messages that waited for the key."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, TypeAlias

from dskity.bus.base.threads import Job
from dskity.bus.delivery import Delivery
from dskity.handlers.binding import Captures
from dskity.handlers.key_serializer import KeySerializer
from dskity.handlers.route.attempt import THREAD_PATIENCE
from dskity.handlers.route.context import Item, RouteContext
from dskity.handlers.route.dead_letter_recorder import DeadLetterRecorder
from dskity.handlers.route.failures import Failures
from dskity.handlers.worker_pool import TURN_SECONDS

Step: TypeAlias = Callable[[Delivery, Captures], Coroutine[Any, Any, None] | None]
"""Begins a message: None if it is over, else what remains, to be awaited."""
_logger = logging.getLogger("dskity.handlers")


class SerialRunner:
    """Of one route. Whatever happens to one message, what waits behind it goes on."""

    def __init__(
        self,
        context: RouteContext,
        serializer: KeySerializer[Item],
        step: Step,
        failures: Failures,
        recorder: DeadLetterRecorder,
    ) -> None:
        self._route = context
        self._serializer = serializer
        self._step = step
        self._failures = failures
        self._recorder = recorder

    async def serve(
        self, key: Hashable, delivery: Delivery, rest: Coroutine[Any, Any, None]
    ) -> None:
        """See a suspended message through, then those that waited for its key or its place."""
        self._serializer.occupy(key)
        await self._go_on(key, delivery, rest)

    async def _go_on(
        self, key: Hashable, delivery: Delivery, rest: Coroutine[Any, Any, None] | None
    ) -> None:
        """`rest` of a message whose key is occupied, then the others, by turns of the loop."""
        pool, threads = self._route.pool, self._route.bus.threads
        turn_ends = time.perf_counter() + TURN_SECONDS
        while True:
            if rest is not None:
                try:
                    await rest
                except BaseException as fault:  # noqa: BLE001  # the last net
                    await self._mishandled(key, delivery, fault)
                while threads.overdue and (job := self._route.attempts.thread()) is not None:
                    await pool.through(partial(self._wait_behind, key, job))
                turn_ends = time.perf_counter() + TURN_SECONDS
            if pool.closed:
                raise asyncio.CancelledError  # a handler has caught the one that was for us
            following = self._serializer.following(key)
            if following is None:
                return
            key, (delivery, captures) = following
            if time.perf_counter() > turn_ends:
                await pool.through(partial(asyncio.sleep, 0))
                turn_ends = time.perf_counter() + TURN_SECONDS
            rest = self._step(delivery, captures)
            if rest is None:
                await pool.recover()

    def _leave_worker(self, key: Hashable, delivery: Delivery) -> None:
        """Our coroutine is being closed: at the end of the loop, or by a GeneratorExit that came
        out of a future that the handler awaited. Only then there is a task, and more to do."""
        if not self._route.pool.closed and _is_in_task():
            error = RuntimeError("what the handler awaited raised GeneratorExit")
            rest = self._failures.give_up(delivery, error, 1)
            self._route.pool.hand_over(self._go_on(key, delivery, rest))

    async def _mishandled(self, key: Hashable, delivery: Delivery, fault: BaseException) -> None:
        """A fault of ours: what waits here must go on, and the PUBACKs too."""
        route = self._route
        if isinstance(fault, GeneratorExit):
            self._leave_worker(key, delivery)
            raise fault
        if route.pool.closed:
            raise fault
        _logger.error("%s: an error in the processing of a message", route.name, exc_info=fault)
        await route.pool.recover()
        try:
            await route.pool.through(partial(self._recorder.record, delivery, fault, 1))
        except Exception:
            route.stats.dropped += 1
            _logger.exception("a message of %s is lost", delivery.topic)
        route.done(delivery)

    async def _wait_behind(self, key: Hashable, job: Job) -> None:
        """Hold the key until the thread ends. What waits for it too long goes to the dead letter:
        unacknowledged, it would hold up every later message. The route gets the place back."""
        places = 0
        try:
            while not await self._route.attempts.ended(job):
                if not places:
                    places = 1
                    self._begin_another()
                for delivery, _ in self._serializer.take_waiting(key):
                    error = TimeoutError(
                        f"not started: an earlier message of its key is in a thread that did not "
                        f"end within {THREAD_PATIENCE:g} s"
                    )
                    await self._failures.give_up(delivery, error, 0)
        finally:
            self._serializer.concurrency -= places

    def _begin_another(self) -> None:
        another = self._serializer.let_another()
        if another is not None:
            self._route.pool.hand_over(self._take_up(*another))

    async def _take_up(self, key: Hashable, item: Item) -> None:
        delivery, captures = item
        await self._go_on(key, delivery, self._step(delivery, captures))


def _is_in_task() -> bool:
    try:
        return asyncio.current_task() is not None
    except RuntimeError:  # no loop runs
        return False
