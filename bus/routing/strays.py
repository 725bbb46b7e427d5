"""Copies of messages that name no subscription of this process.

A broker that keeps a session sends what it queued with the identifier of the filter that it was
queued under, and goes on with filters that an earlier process had subscribed to. Such a copy is for
whatever matches its topic. Where the broker sends another copy for a filter of today, straight
before or after it, the two are one message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dskity.bus.delivery import Delivery

if TYPE_CHECKING:
    from dskity.bus.routing.subscriptions import Found, Subscription

LOOK_OUT = 1_000  # messages after the last stray, or the last unsubscribing, until it costs nothing


class Strays:
    """Makes one message of the copies that come in a row. `watching` says that it must see every
    copy; it is False for as long as nothing was unsubscribed and no stray has come."""

    def __init__(self) -> None:
        self.watching = False
        self._left = 0
        self._last: Delivery | None = None
        self._identifiers: set[int] = set()
        self._given: set[Subscription] = set()

    def expect(self) -> None:
        """Strays are near."""
        self.watching = True
        self._left = LOOK_OUT

    def share(self, delivery: Delivery, found: Found) -> Found:
        """Those of `found` that have not had the message by another copy of it."""
        identifiers = set(delivery.meta.subscriptions if delivery.meta else ())
        if not self._continues(delivery) or identifiers & self._identifiers:
            self._identifiers, self._given = set(), set()
        fresh = tuple(entry for entry in found if entry[0] not in self._given)
        self._last = delivery
        self._identifiers |= identifiers
        self._given.update(entry for entry, _ in fresh)
        self._left -= 1
        if self._left <= 0:
            self.watching = False
            self._last = None
        return fresh

    def _continues(self, delivery: Delivery) -> bool:
        last = self._last
        return (
            last is not None
            and last.topic == delivery.topic
            and last.retain == delivery.retain
            and last.payload == delivery.payload
        )
