"""The log and the count of what failed for good."""

from __future__ import annotations

import logging

from dskity.bus.base.throttled_log import Allowance
from dskity.bus.base.wording import in_words
from dskity.bus.errors import DSkityError
from dskity.handlers.outcome import Outcome, is_answer
from dskity.handlers.route.context import Failure, RouteContext
from dskity.handlers.route.replies import Replies

_logger = logging.getLogger("dskity.handlers")


class FailureLog:
    """Of one route; strangers can cause failures, so it writes some lines a minute."""

    def __init__(self, context: RouteContext, replies: Replies) -> None:
        self._route = context
        self._replies = replies
        self._lines = Allowance(context.bus.clock)

    async def take(self, failure: Failure) -> bool:
        """See `failures.Link`: the first one. What is dropped on purpose is no failure."""
        if not failure.dropped:
            self._route.stats.failed += 1
            more = self._lines.take()
            if more is not None:
                self._write(failure, more)
        return False

    def _write(self, failure: Failure, more: str) -> None:
        delivery, error = failure.delivery, failure.error
        if self._replies.owes(delivery) and is_answer(error):
            _logger.info(
                "handler %s answered a request on %s with %s%s",
                self._route.name,
                delivery.topic,
                in_words(error),
                more,
            )
            return
        expected = isinstance(error, DSkityError | Outcome | TimeoutError)
        _logger.warning(
            "handler %s gave up on a message of %s after %d attempt(s): %s%s",
            self._route.name,
            delivery.topic,
            failure.attempts,
            in_words(error),
            more,
            exc_info=None if expected else error,
        )
