"""What arrives on one connection: replies to their requests, the rest to its subscriptions."""

from __future__ import annotations

import logging
from dataclasses import replace

from dskity.bus import envelope
from dskity.bus.base.clock import Clock
from dskity.bus.base.tally import Tally
from dskity.bus.base.throttled_log import ThrottledLog
from dskity.bus.counters import Counters
from dskity.bus.delivery import Delivery
from dskity.bus.inbound.consumer_faults import ConsumerFaults
from dskity.bus.inbound.hold import Hold, Intake
from dskity.bus.inbound.own_requests import OwnRequests
from dskity.bus.requests.replies import Replies
from dskity.bus.routing.subscriptions import Found, Subscriptions

OLDEST = 86_400.0  # seconds; by our defaults no session is kept for longer
_ENVELOPE = "the envelope"
_logger = logging.getLogger(__name__)


class Inbound:
    """`receive` is the transport's `Receiver`.

    What handlers cannot have yet waits in `hold`. What arrives on the control lane is handed on all
    the same: the parts that need it are there from the start, and never full. So are requests of
    this process to handlers of its own, once there are handlers (`own`).
    """

    def __init__(
        self,
        subscriptions: Subscriptions,
        replies: Replies,
        counters: Counters,
        clock: Clock,
        intake: Intake,
    ) -> None:
        self.hold = Hold(intake, self._hand_on, self._drop)
        self.own = OwnRequests(subscriptions, self._share)
        self._subscriptions = subscriptions
        self._replies = replies
        self._counters = counters
        self._clock = clock
        self._throttled = ThrottledLog(_logger, clock)
        self._faults = ConsumerFaults(counters, clock)
        self._unrouted = Tally(
            _logger,
            clock,
            "{count} message(s) matched no handler here and were acknowledged, the latest on "
            "{topic}: the session has a filter of an earlier start, or of a removed handler",
        )
        self._dropped = Tally(
            _logger,
            clock,
            "{count} message(s) of QoS 0 were dropped, the latest on {topic}: too many arrived "
            "to hold while the broker had not answered",
        )

    def receive(self, delivery: Delivery) -> None:
        """Take one message."""
        self._counters.received += 1
        try:
            if delivery.payload.startswith(envelope.PREFIX):
                self._open_envelope(delivery)
                if self._is_over(delivery):
                    delivery.done()
                    return
            if delivery.topic.startswith(self._replies.prefix):
                self._replies.accept(delivery.message())
                delivery.done()
            elif self.hold.holding and not self._subscriptions.is_control(delivery):
                self._keep(delivery)
            else:
                self._route(delivery)
        except BaseException as error:  # noqa: BLE001  # a wire must not see it
            self._faults.caught(delivery, error)

    def _keep(self, delivery: Delivery) -> None:
        """Those who answer a request of this process have it at once, all others in its order."""
        hold = self.hold
        if self.own.open and hold.full and (request := self.own.of(delivery)) is not None:
            request.came(delivery)
        hold.keep(delivery)

    def _hand_on(self, delivery: Delivery) -> None:
        """One that was held; those behind it are handed on, whatever it does."""
        try:
            self._route(delivery)
        except BaseException as error:  # noqa: BLE001  # see above
            self._faults.caught(delivery, error)

    def _drop(self, delivery: Delivery) -> None:
        self._counters.dropped += 1
        self._dropped.add(delivery.topic)

    def _open_envelope(self, delivery: Delivery) -> None:
        try:
            opened = envelope.unwrap(delivery.payload, self._clock.time())
        except BaseException as error:  # noqa: BLE001  # then it is a message as it stands
            self._faults.note(_ENVELOPE, delivery, error)
            return
        if opened is not None:
            delivery.payload, meta = opened
            ids = delivery.meta.subscriptions if delivery.meta else ()
            delivery.meta = replace(meta, subscriptions=ids)

    def _is_over(self, delivery: Delivery) -> bool:
        """Brokers of MQTT 5 do not deliver what has expired; those of 3.1.1 cannot know."""
        left = delivery.meta.expires_in if delivery.meta else None
        if left is None or left > 0:
            return False
        if left < -OLDEST:
            self._throttled.warn(
                f"the message on {delivery.topic} seems to have expired {-left:.0f} s ago "
                "and is handled anyway: the clock of its sender or of this machine must be wrong"
            )
            return False
        self._counters.expired += 1
        self._throttled.warn(
            f"the message on {delivery.topic} expired {-left:.0f} s ago and is not handled; if "
            "it was just sent, the clock of the sender or of this machine is wrong"
        )
        return True

    def _route(self, delivery: Delivery) -> None:
        found = self._subscriptions.find(delivery)
        if self.own.open and (request := self.own.of(delivery)) is not None:
            found = request.take_copy(delivery, found)
            if not found:
                delivery.done()  # a copy of what its handlers have
                return
        if len(found) == 1:  # nearly always: no need for a loop
            subscription, captures = found[0]
            try:
                subscription.accept(delivery, captures)
            except BaseException as error:  # noqa: BLE001  # a wire must not see it
                self._faults.of(subscription, delivery, 1, error)
        elif found:
            self._share(delivery, found)
        else:
            self._nobody(delivery)

    def _nobody(self, delivery: Delivery) -> None:
        if not self._subscriptions.at(delivery.topic):  # else it is a copy of what was routed
            self._counters.unrouted += 1
            self._unrouted.add(delivery.topic)
        delivery.done()

    def _share(self, delivery: Delivery, found: Found) -> None:
        delivery.holders = len(found)
        for subscription, captures in found:
            holders = delivery.holders
            try:
                subscription.accept(delivery, captures)
            except BaseException as error:  # noqa: BLE001  # the others get it all the same
                self._faults.of(subscription, delivery, holders, error)
