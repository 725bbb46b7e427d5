"""The end of a message that was not handled: a chain of links, until one has taken it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from dskity.bus.delivery import Delivery
from dskity.bus.errors import InvalidPayload
from dskity.handlers.dead_letter import dead_letters
from dskity.handlers.dedupe import Duplicate
from dskity.handlers.outcome import Drop
from dskity.handlers.route.context import Failure, RouteContext
from dskity.handlers.route.dead_letter_recorder import DeadLetterRecorder
from dskity.handlers.route.failure_log import FailureLog
from dskity.handlers.route.replies import Replies

Link: TypeAlias = Callable[[Failure], Awaitable[bool]]
"""One link: whether the message has its end with it, so that no later link is asked."""


class Failures:
    """Of one route: the log, the reply, the counts, the dead letter; then the acknowledgement."""

    def __init__(
        self, context: RouteContext, replies: Replies, recorder: DeadLetterRecorder
    ) -> None:
        self._route = context
        self._chain: tuple[Link, ...] = (
            FailureLog(context, replies).take,
            self._take_duplicate,
            replies.take,
            self._take_dropped,
            recorder.take,
        )

    async def give_up(self, delivery: Delivery, error: BaseException, attempts: int) -> None:
        """The end of a message after its last attempt."""
        dropped = isinstance(error, Drop)
        if isinstance(error, InvalidPayload):
            self._route.stats.invalid += 1
            dropped = self._route.policy.on_invalid == "drop"
        failure = Failure(delivery, error, attempts, dropped)
        for link in self._chain:
            if await link(failure):
                break
        self._route.done(delivery)

    async def _take_duplicate(self, failure: Failure) -> bool:
        """Nothing more happens to what was handled already: its reply was sent then."""
        is_duplicate = isinstance(failure.error, Duplicate)
        self._route.stats.duplicates += is_duplicate
        return is_duplicate

    async def _take_dropped(self, failure: Failure) -> bool:
        """A dead letter gets none of its own: a handler that fails on it would get that one too."""
        is_letter = failure.delivery.topic.startswith(dead_letters(self._route.bus.root))
        if not (failure.dropped or is_letter) and self._route.policy.dead_letter:
            return False
        self._route.stats.dropped += 1
        return True
