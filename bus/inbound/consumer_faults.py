"""What consumers raise where the bus calls them: it must not reach the wire that called the bus."""

from __future__ import annotations

import logging

from dskity.bus.base.clock import Clock
from dskity.bus.base.throttled_log import Pace
from dskity.bus.base.wording import shown
from dskity.bus.counters import Counters
from dskity.bus.delivery import Delivery
from dskity.bus.routing.subscriptions import Subscription

_logger = logging.getLogger(__name__)


class ConsumerFaults:
    """Logs (once a minute for each source, with the traceback), counts, and completes the share of
    a consumer that failed, so that acknowledgements go on. What it did not handle is acknowledged:
    a consumer that promises more owns a message before it can fail, as handlers do."""

    def __init__(self, counters: Counters, clock: Clock) -> None:
        self._counters = counters
        self._pace = Pace(clock)

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
        if self._pace.is_due(source):
            what = f"{source} failed on a message of {delivery.topic!r}"
            _logger.error("%s: %s", what, shown(error), exc_info=error)

    def _complete(self, delivery: Delivery) -> None:
        try:
            delivery.done()
        except BaseException as error:  # noqa: BLE001  # the same net
            self.note("an acknowledgement", delivery, error)
