"""One message, one delivery, on a broker that sends unmarked copies for overlapping filters.

MQTT 5 names the subscriptions that a copy is for. A broker of 3.1.1 may send one copy for each of
our filters that matches ([MQTT-3.3.5-1]), one straight after the other; the surplus ones are
dropped here. Of a retained message every broker sends one for each SUBSCRIBE (`retained.py`). Where
anything speaks against its being a copy the message is delivered: twice is better than never.
"""

from __future__ import annotations

from collections.abc import Sequence

from dskity.broker.connection.retained import SURPLUS, Asked, RetainedCopies
from dskity.broker.connection.subscriptions import Subscription, Subscriptions
from dskity.bus.delivery import Delivery, Meta
from dskity.bus.transport import Lane, Receiver


class Unmarked:
    """The receiver of one connection whose broker names no subscriptions.

    `copies` says that the broker was seen to send one for each filter (`basics.py`); without that
    knowledge two equal messages in a row are two messages. Where both lanes match a topic, each
    gets the message from the broker, and `Meta.subscriptions` says which half a delivery is.
    `asked` are the SUBSCRIBE packets of the connection, None where RETAIN means nothing
    on this broker (`retained.py`).
    """

    def __init__(
        self,
        receive: Receiver,
        subscriptions: Subscriptions,
        lane: Lane,
        asked: Asked | None,
        *,
        copies: bool,
    ) -> None:
        self._receive = receive
        self._subscriptions = subscriptions
        self._lane: Lane = lane
        self._copies = copies
        self._retained = None if asked is None else RetainedCopies(asked)
        self._last: Delivery | None = None
        self._surplus = 0

    def __call__(self, delivery: Delivery) -> None:
        match = self._subscriptions.match(self._lane, delivery.topic)
        if delivery.retain and match.copies and self._retained is not None:
            self._receive_retained(delivery, match.plain, self._retained)
            return
        if self._copies and self._is_surplus(delivery, match.copies):
            _drop(delivery)
            return
        if match.meta is not None:
            delivery.meta = match.meta
        self._receive(delivery)

    def _receive_retained(
        self, delivery: Delivery, matching: Sequence[Subscription], retained: RetainedCopies
    ) -> None:
        """For those that are named: who subscribes before it is routed gets a copy of its own."""
        takers = retained.assign(delivery.topic, delivery.payload, matching)
        if takers is SURPLUS:
            _drop(delivery)
            return
        delivery.meta = Meta(subscriptions=tuple(entry.identifier for entry in takers))
        self._receive(delivery)

    def _is_surplus(self, delivery: Delivery, copies: int) -> bool:
        last = self._last
        if (
            self._surplus
            and last is not None
            and last.topic == delivery.topic
            and last.retain == delivery.retain
            and last.payload == delivery.payload
        ):
            self._surplus -= 1
            return True
        self._last, self._surplus = (delivery, copies - 1) if copies > 1 else (None, 0)
        return False


def _drop(delivery: Delivery) -> None:
    if delivery.acknowledge is not None:
        delivery.acknowledge()
