"""Attempts until success or the end, as the route's policy says."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from dskity.bus.delivery import Delivery
from dskity.bus.errors import InvalidPayload
from dskity.handlers.outcome import Drop, Reject, Retry
from dskity.handlers.route.context import RouteContext
from dskity.handlers.route.failures import Failures
from dskity.handlers.route.replies import Replies
from dskity.handlers.started_coroutine import UNBEGUN, StartedCoroutine

if TYPE_CHECKING:
    from dskity.handlers.binding import Captures, Start


class Retrying:
    """What remains of a message whose first step did not end it."""

    def __init__(
        self, context: RouteContext, start: Start, replies: Replies, failures: Failures
    ) -> None:
        self._route = context
        self._start = start
        self._replies = replies
        self._failures = failures

    async def finish(self, delivery: Delivery, captures: Captures, rest: StartedCoroutine) -> None:
        """Await a handler that has suspended, under its time-out."""
        result, error = await self._route.attempts.run(rest, delivery)
        if error is None:
            await self._replies.answer(delivery, result)
        else:
            await self.process(delivery, captures, error)

    async def process(
        self, delivery: Delivery, captures: Captures, error: BaseException, attempt: int = 1
    ) -> None:
        """Retry after the failed `attempt`, until success or the end."""
        route = self._route
        await route.pool.recover()
        while self._again(error, attempt, delivery) and await self._is_free():
            route.stats.retried += 1
            after = error.after if isinstance(error, Retry) else None
            pause = route.policy.retry.delay(attempt) if after is None else after
            await route.pool.through(partial(route.bus.clock.sleep, pause))
            attempt += 1
            result, failure = await self._try(delivery, captures, attempt)
            if failure is None:
                await self._replies.answer(delivery, result)
                return
            error = failure
        await self._failures.give_up(delivery, error, attempt)

    async def _try(
        self, delivery: Delivery, captures: Captures, attempt: int
    ) -> tuple[Any, BaseException | None]:
        """One more attempt, from the decoding on."""
        attempts = self._route.attempts
        try:
            coroutine = self._start(delivery, captures, attempt)
        except BaseException as error:  # noqa: BLE001  # whatever a validator raises has an outcome
            return None, error
        return await attempts.run(StartedCoroutine(coroutine, UNBEGUN, attempts), delivery)

    async def _is_free(self) -> bool:
        """Whether the threads of the last attempt have ended: no other one may run beside them."""
        attempts = self._route.attempts
        while (job := attempts.thread()) is not None:
            if not await self._route.pool.through(partial(attempts.ended, job)):
                return False
        return True

    def _again(self, error: BaseException, attempt: int, delivery: Delivery) -> bool:
        policy = self._route.policy
        if attempt >= policy.retry.attempts or isinstance(error, Drop | Reject):
            return False
        if isinstance(error, InvalidPayload) and policy.on_invalid != "raise":
            return False  # the same bytes fail again
        return isinstance(error, Retry) or not self._replies.owes(delivery)
