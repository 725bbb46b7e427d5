"""Requests of this process to handlers of its own, which must not wait behind what waits for them.

A request travels over the broker like any message, and comes back on the intake connection. With
the bound full of handlers that await such requests, or with a broker that sends no more before
those handlers are acknowledged, it would never come. So it is also known here. When it has not come
back after a moment, or at once where the bound is full, it is handed to the handler from here, and
the copy of the broker is acknowledged when it comes: each handler gets a request once.

Bounded by the requests that are open: each one that is handed on past the bound has a caller that
waits. Only handlers that may answer get it early; for others the order of their messages stays.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from dskity.bus.delivery import Delivery
from dskity.bus.message import Message
from dskity.bus.routing.subscriptions import Found, Subscription, Subscriptions

PATIENCE = 0.05  # seconds; by then a broker nearby has sent it, where nothing holds it up
# A group has the request handled by one member, and the broker says which one only by sending it
# there. A member that takes longer than this may find its request handled here too.
GROUP_PATIENCE = 1.0
REMEMBERED = 10_000  # requests whose copy has not come yet; some never come, for they expire


class OwnRequest:
    """One request that a handler here may answer, from just before it is sent."""

    def __init__(self, message: Message, owner: OwnRequests) -> None:
        self.message = message
        self.ended = False
        self._asker = asyncio.current_task()
        self._owner = owner
        self._given: set[Subscription] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._early = False

    @property
    def handlers(self) -> list[str]:
        """The filters of the handlers that have it."""
        return [entry.filter for entry in self._given]

    def sent(self, *, full: bool) -> None:
        """The broker has it; `full`: what it sends is not handed on now."""
        if full:
            self._overtake()
        else:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._overtake)

    def end(self) -> None:
        """The caller waits no more."""
        self.ended = True
        if self._timer is not None:
            self._timer.cancel()
        self._owner.ended(self, early=self._early)

    def take_copy(self, delivery: Delivery, found: Found) -> Found:
        """The broker's copy: as `take`, and its receiver can see who asks."""
        if delivery.meta is not None and not self.ended:
            delivery.meta = replace(delivery.meta, asker=self._asker)
        return self.take(found)

    def take(self, found: Found) -> Found:
        """Those of `found` that do not have it yet, and have it now."""
        fresh = tuple(entry for entry in found if entry[0] not in self._given)
        self._given.update(entry for entry, _ in fresh)
        return fresh

    def came(self, delivery: Delivery) -> None:
        """The broker's copy is here and has to wait: it brings no news for those who answer."""
        named = delivery.meta.subscriptions if delivery.meta else ()
        self._hand_on(lambda entry: not named or entry.identifier in named)

    def _overtake(self) -> None:
        self._hand_on(lambda entry: not entry.shared)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(GROUP_PATIENCE, self._overtake_groups)

    def _overtake_groups(self) -> None:
        self._hand_on(lambda _: True, duplicate=True)

    def _hand_on(self, wanted: Callable[[Subscription], bool], *, duplicate: bool = False) -> None:
        found = self._owner.answering(self.message.topic)
        fresh = self.take(tuple(each for each in found if wanted(each[0])))
        if fresh:
            self._early = True
            self._owner.hand_on(self._delivery(duplicate=duplicate), fresh)

    def _delivery(self, *, duplicate: bool) -> Delivery:
        delivery = Delivery.of(self.message, asker=self._asker)
        delivery.duplicate = duplicate
        return delivery


class OwnRequests:
    """`open` has them by reply topic; `hand_on` takes what is not to wait for the broker."""

    def __init__(
        self, subscriptions: Subscriptions, hand_on: Callable[[Delivery, Found], None]
    ) -> None:
        self.open: OrderedDict[str, OwnRequest] = OrderedDict()
        self.hand_on = hand_on
        self._subscriptions = subscriptions

    def begin(self, message: Message) -> OwnRequest | None:
        """A request that is about to be sent; None where no handler here may answer it."""
        if message.reply_to is None or not self.answering(message.topic):
            return None
        request = self.open[message.reply_to] = OwnRequest(message, self)
        return request

    def of(self, delivery: Delivery) -> OwnRequest | None:
        """The request that a message is the broker's copy of."""
        meta = delivery.meta
        if meta is None or meta.reply_to is None:
            return None
        return self.open.get(meta.reply_to)

    def answering(self, topic: str) -> Found:
        """The handlers of the intake lane that may answer a request on `topic`."""
        return tuple(
            each
            for each in self._subscriptions.at(topic)
            if each[0].lane == "intake"
            and each[0].consumer is not None
            and each[0].consumer.answers
        )

    def ended(self, request: OwnRequest, *, early: bool) -> None:
        """One that was handed on early is remembered until its copy would be very late."""
        reply_to = str(request.message.reply_to)
        if not early:
            self.open.pop(reply_to, None)
        while len(self.open) > REMEMBERED:
            oldest = next((name for name, each in self.open.items() if each.ended), None)
            if oldest is None:
                return
            del self.open[oldest]
