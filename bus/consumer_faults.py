"""What consumers raise where the bus calls them: it must not reach the wire that called the bus."""

from __future__ import annotations

import logging

from dskity.bus.clock import Clock
from dskity.bus.complaints import EVERY_SECONDS
from dskity.bus.counters import Counters
from dskity.bus.delivery import Delivery
from dskity.bus.subscriptions import Subscription

_MOST_NOTED = 1_000
"""Sources of errors that are remembered to keep the log short."""
_logger = logging.getLogger(__name__)


class ConsumerFaults:
    """Logs (once a minute for each source, with the traceback), counts, and completes the share of
    a consumer that failed, so that acknowledgements go on. What it did not handle is acknowledged:
    a consumer that promises more owns a message before it can fail, as handlers do."""

    def __init__(self, counters: Counters, clock: Clock) -> None:
        self._counters = counters
        self._clock = clock
        self._due: dict[str, float] = {}

    def of(
        self, subscription: Subscription, delivery: Delivery, holders: int, error: BaseException
    ) -> None:
        """`accept` of a subscription has raised; `delivery.holders` was `holders` before."""
        self.note(f"the consumer of {subscription.filter!r}", delivery, error)
        if subscription.consumer is None and delivery.holders == holders:
            self._complete(delivery)

    def caught(self, delivery: Delivery, error: BaseException) -> None:
        """Something raised before any consumer had the message."""
        self.note("the bus", delivery, error)
        if delivery.holders == 1:
            self._complete(delivery)

    def note(self, source: str, delivery: Delivery, error: BaseException) -> None:
        """Log and count."""
        self._counters.consumer_errors += 1
        now = self._clock.monotonic()
        if now < self._due.get(source, now):
            return
        if len(self._due) >= _MOST_NOTED:
            self._due.clear()
        self._due[source] = now + EVERY_SECONDS
        _logger.error(
            "%s failed on a message of %r: %r", source, delivery.topic, error, exc_info=error
        )

    def _complete(self, delivery: Delivery) -> None:
        try:
            delivery.done()
        except BaseException as error:  # noqa: BLE001  # the same net
            self.note("an acknowledgement", delivery, error)
