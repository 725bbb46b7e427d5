"""How a subscription of the bus begins and ends, at the broker and here."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial

from dskity.bus import topics
from dskity.bus.consumer import Accept, Consumer
from dskity.bus.errors import NotConnected
from dskity.bus.inbound.hold import Hold
from dskity.bus.operations.granting import Granting
from dskity.bus.routing.subscriptions import Subscription, Subscriptions
from dskity.bus.transport import Lane, Transport


@dataclass(frozen=True, slots=True)
class Wanted:
    """The arguments of `Bus.attach`."""

    pattern: topics.Pattern
    accept: Accept
    qos: int
    group: str | None
    best_effort: bool
    lane: Lane
    consumer: Consumer | None
    as_published: bool
    watches: bool


class Subscribing:
    """The subscriptions of one connection. `owned` is where a scope of the bus keeps its own."""

    def __init__(
        self, transport: Transport, granting: Granting, subscriptions: Subscriptions, hold: Hold
    ) -> None:
        self._transport = transport
        self._granting = granting
        self._subscriptions = subscriptions
        self._hold = hold

    async def attach(self, wanted: Wanted, owned: dict[Subscription, None]) -> Subscription:
        """Subscribe; where the broker refuses, nothing is left of it."""
        pattern, lane, consumer = wanted.pattern, wanted.lane, wanted.consumer
        wire = self._granting.wire_filter(pattern, wanted.group, best_effort=wanted.best_effort)
        end = partial(self._detach, owned)
        subscription = Subscription(pattern, wire, lane, wanted.accept, consumer, end)
        subscription.as_published, subscription.watches = wanted.as_published, wanted.watches
        lower = wanted.best_effort or consumer is None  # only a route declares a guarantee
        subscription.qos = self._granting.kept_qos(pattern, wanted.qos, lower=lower)
        subscription.again = partial(self.attach, wanted, owned)
        qos = self._subscriptions.add(subscription)
        owned[subscription] = None
        if consumer is not None:
            consumer.open()
        as_published = self._subscriptions.as_published(wire, lane)
        try:
            await self._transport.subscribe(
                wire, qos, subscription.identifier, lane, as_published=as_published
            )
        except BaseException:
            await subscription.cancel()
            raise
        return subscription

    async def _detach(self, owned: dict[Subscription, None], subscription: Subscription) -> None:
        owned.pop(subscription, None)
        stays = self._hold.left and subscription.lane == "intake"
        if self._subscriptions.remove(subscription) and not stays:
            with contextlib.suppress(NotConnected):
                await self._transport.unsubscribe(subscription.wire_filter, subscription.lane)
