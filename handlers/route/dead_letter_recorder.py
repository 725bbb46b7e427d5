"""The dead letter of a message that failed for good: published until the broker has it."""

from __future__ import annotations

import logging
from functools import partial

from dskity.bus.delivery import Delivery
from dskity.bus.errors import BrokerRefused, Unavailable
from dskity.bus.message import Message
from dskity.handlers.dead_letter import dead_letter
from dskity.handlers.route.context import Failure, RouteContext

_logger = logging.getLogger("dskity.handlers")
_RETRY_SECONDS = 5.0  # the longest pause while the broker does not take a dead letter


class DeadLetterRecorder:
    """The dead letters of one route."""

    def __init__(self, context: RouteContext) -> None:
        self._route = context

    async def take(self, failure: Failure) -> bool:
        """See `failures.Link`: the last one."""
        record = partial(self.record, failure.delivery, failure.error, failure.attempts)
        await self._route.pool.through(record)
        return True

    async def record(self, delivery: Delivery, error: BaseException, attempts: int) -> None:
        """Publish the dead letter; until the broker has it the message is not acknowledged."""
        bus = self._route.bus
        letter = dead_letter(
            delivery.message(), bus.root, error, self._route.name, attempts, bus.clock.time()
        )
        pause = 0.1
        while True:
            try:
                await bus.send(letter)
            except (Unavailable, BrokerRefused) as failure:
                _logger.warning("no dead letter yet for %s: %s", delivery.topic, failure)
                await bus.clock.sleep(pause)
                pause = min(pause * 2, _RETRY_SECONDS)
            except Exception as failure:  # noqa: BLE001  # too large, or no wire can carry it
                await self._keep(letter, failure)
                return
            else:
                self._route.stats.dead_lettered += 1
                return

    async def _keep(self, letter: Message, failure: Exception) -> None:
        """A dead letter that no broker takes stays here."""
        if await self._route.bus.keep(letter):
            self._route.stats.dead_lettered += 1
            _logger.error("%s is kept in the outbox: %s", letter.topic, failure)
        else:
            self._route.stats.dropped += 1
            _logger.error("%s is lost", letter.topic, exc_info=failure)
