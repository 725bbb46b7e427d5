"""What arrives on one connection: replies to their requests, the rest to its subscriptions."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from dskity.bus import envelope, tasks
from dskity.bus.clock import Clock
from dskity.bus.complaints import Complaints
from dskity.bus.consumer_faults import ConsumerFaults
from dskity.bus.counters import Counters
from dskity.bus.delivery import Delivery
from dskity.bus.requests import Replies
from dskity.bus.subscriptions import Subscriptions

# Held at most: a broker may have queued gigabytes. To stop reading would not do, for the answers to
# the SUBSCRIBE of the handlers that are awaited come behind them.
MOST_HELD = 1_000
MOST_HELD_BYTES = 16 * 1024 * 1024
OLDEST = 86_400.0  # seconds; by our defaults no session is kept for longer
_ENVELOPE = "the envelope"
_logger = logging.getLogger(__name__)


class Receiving:
    """`receive` is the transport's `Receiver`.

    While it holds, messages for handlers are kept, so that a broker that has queued messages for
    us cannot deliver them before the handlers are there. Are they too many, then all are let go,
    unacknowledged, and `rest` is called; `open` says that it was. What arrives on the control lane
    is handed on all the same: the parts that need it are there from the start.
    """

    def __init__(
        self,
        subscriptions: Subscriptions,
        replies: Replies,
        counters: Counters,
        clock: Clock,
        rest: Callable[[], None],
    ) -> None:
        self._subscriptions = subscriptions
        self._replies = replies
        self._counters = counters
        self._clock = clock
        self._complaints = Complaints(_logger, clock)
        self._faults = ConsumerFaults(counters, clock)
        self._held: list[Delivery] | None = None
        self._held_bytes = 0
        self._rest = rest
        self._resting = False
        self.left = False

    def hold(self) -> None:
        """Keep messages for handlers until `open`."""
        self._held = []

    def open(self) -> bool:
        """Hand on what was held, and from now on everything at once; whether `rest` was called."""
        held, self._held = self._held, None
        for delivery in held or ():
            try:
                self._route(delivery)
            except BaseException as error:  # noqa: BLE001  # those behind it are handed on, too
                self._faults.caught(delivery, error)
        return self._resting

    def leave(self) -> None:
        """Hand on no more, and acknowledge no more: the rest is for the next process."""
        self.left = True
        self._held = []

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
            elif self._held is not None and not self._is_control(delivery):
                self._hold(self._held, delivery)
            else:
                self._route(delivery)
        except BaseException as error:  # noqa: BLE001  # a wire must not see it
            self._faults.caught(delivery, error)

    def _hold(self, held: list[Delivery], delivery: Delivery) -> None:
        if self.left or self._resting:
            return  # of no more use here; the broker has it, unless it is of QoS 0
        held.append(delivery)
        self._held_bytes += len(delivery.payload)
        if len(held) > MOST_HELD or self._held_bytes > MOST_HELD_BYTES:
            held.clear()
            self._resting = True
            tasks.call("rest", self._rest)

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
            self._complaints.warn(
                f"what came on {delivery.topic} seems to have expired {-left:.0f} s ago and is "
                "handled all the same: the clock of its sender or of this machine must be wrong"
            )
            return False
        self._counters.expired += 1
        self._complaints.warn(
            f"what came on {delivery.topic} expired {-left:.0f} s ago and is not handled; where it "
            "had just been sent, the clock of the sender or of this machine is wrong"
        )
        return True

    def _is_control(self, delivery: Delivery) -> bool:
        return any(entry.lane == "control" for entry, _ in self._subscriptions.find(delivery))

    def _route(self, delivery: Delivery) -> None:
        found = self._subscriptions.find(delivery)
        if len(found) == 1:  # nearly always: no need for a loop
            subscription, captures = found[0]
            try:
                subscription.accept(delivery, captures)
            except BaseException as error:  # noqa: BLE001  # a wire must not see it
                self._faults.of(subscription, delivery, 1, error)
            return
        if not found:
            self._counters.unrouted += 1
            delivery.done()
            return
        delivery.holders = len(found)
        for subscription, captures in found:
            holders = delivery.holders
            try:
                subscription.accept(delivery, captures)
            except BaseException as error:  # noqa: BLE001  # the others get it all the same
                self._faults.of(subscription, delivery, holders, error)
