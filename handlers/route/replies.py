"""The answer to a request: what the handler returned, or the error that it ended with."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from dskity.bus.base.wording import in_words
from dskity.bus.delivery import Delivery
from dskity.bus.errors import DSkityError, InvalidPayload
from dskity.bus.message import encode_payload
from dskity.bus.problem import PROBLEM_TYPE, STATUS_HEADER, problem_of, status_of
from dskity.handlers.route.context import Failure, RouteContext

if TYPE_CHECKING:
    from dskity.handlers.binding import Binding

_logger = logging.getLogger("dskity.handlers")


class Replies:
    """The replies of one route. `answers` is whether it replies to requests; see `Binding`."""

    def __init__(self, context: RouteContext, binding: Binding) -> None:
        self._route = context
        self._returned = binding.returned
        reply = context.policy.reply
        self.answers = binding.answers if reply is None else reply

    def owes(self, delivery: Delivery, result: Any = None) -> bool:
        """Whether this route answers: a route that only listens must not be taken for the one
        that does. One whose signature does not say answers with what it returns, if anything."""
        if delivery.meta is None or delivery.meta.reply_to is None:
            return False
        return result is not None if self.answers is None else self.answers

    async def answer(self, delivery: Delivery, result: Any) -> None:
        """Success: publish the reply, if one is wanted, and be done."""
        if self.owes(delivery, result):
            await self._route.pool.through(partial(self._reply, delivery, result))
        self._route.stats.handled += 1
        self._route.done(delivery)

    async def take(self, failure: Failure) -> bool:
        """See `failures.Link`: a requester gets the error, and no dead letter tells of it."""
        if not self.owes(failure.delivery):
            return False
        reply = partial(self._reply_error, failure.delivery, failure.error)
        await self._route.pool.through(reply)
        return True

    async def _reply(self, delivery: Delivery, result: Any) -> None:
        name = self._route.name
        try:
            payload, content_type = encode_payload(self._returned(result))
        except BaseException as error:  # noqa: BLE001  # a user's serializer may raise anything
            _logger.warning("%s returned a value that cannot be sent: %s", name, in_words(error))
            await self._reply_error(delivery, DSkityError(f"no result: {in_words(error)}"))
            return
        try:
            await self._route.bus.reply(delivery, payload, content_type=content_type)
        except InvalidPayload as error:
            _logger.warning("%s returned a value that cannot be sent: %s", name, error)
            await self._reply_error(delivery, DSkityError(f"no result: {error}"))
        except DSkityError as error:  # the requester's time-out tells it
            _logger.warning("no reply to %s on %s: %s", name, delivery.topic, error)

    async def _reply_error(self, delivery: Delivery, error: BaseException) -> None:
        try:
            await self._route.bus.reply(
                delivery,
                problem_of(error),
                headers={STATUS_HEADER: str(status_of(error).http)},
                content_type=PROBLEM_TYPE,
            )
        except DSkityError as failure:  # the requester's time-out tells it
            _logger.warning("no error reply to %s: %s", delivery.topic, failure)
