"""Who is subscribed to what on one connection, and which of them a message is for."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from dskity.bus import topics
from dskity.bus.consumer import Accept, Consumer
from dskity.bus.delivery import Delivery
from dskity.bus.errors import InvalidInput
from dskity.bus.router import Router
from dskity.bus.transport import Capabilities, Lane

Found: TypeAlias = tuple[tuple["Subscription", dict[str, str]], ...]


@dataclass(slots=True, eq=False)
class Subscription:
    """One handler's place on the bus. `await cancel()` ends it, after what it has begun;
    `await renew()` makes a cancelled one again."""

    pattern: topics.Pattern
    wire_filter: str
    lane: Lane
    accept: Accept = field(repr=False)
    consumer: Consumer | None = field(default=None, repr=False)
    detach: Callable[[Subscription], Awaitable[None]] | None = field(default=None, repr=False)
    as_published: bool = False
    qos: int = 1
    again: Callable[[], Awaitable[Subscription]] | None = field(default=None, repr=False)
    identifier: int = 0

    def __post_init__(self) -> None:
        self.identifier = identifier_of(self.wire_filter)

    @property
    def filter(self) -> str:
        """The filter pattern as it was written."""
        return self.pattern.text

    @property
    def shared(self) -> bool:
        """Whether a group of clients shares the messages."""
        return topics.split_share(self.wire_filter)[0] is not None

    def served(self, can: Capabilities) -> bool:
        """Whether a broker that can do this does by itself what was declared."""
        return self.qos <= can.max_qos and (can.shared or not self.shared)

    async def cancel(self) -> None:
        """Stop receiving, then wait for the messages that were already taken."""
        if self.detach is not None:
            await self.detach(self)
        if self.consumer is not None:
            await self.consumer.drain()

    async def renew(self) -> Subscription:
        """The same subscription again, after `cancel`."""
        if self.again is None:
            raise InvalidInput(f"{self.filter!r} was not subscribed through a bus")
        return await self.again()


class Subscriptions:
    """The table: by wire filter, for the broker, and by topic, for what arrives."""

    def __init__(self) -> None:
        self._router: Router[Subscription] = Router()
        self._wire: dict[str, list[Subscription]] = {}
        self._qos: dict[str, int] = {}

    def __iter__(self) -> Iterator[Subscription]:
        return (entry for entries in self._wire.values() for entry in entries)

    def add(self, subscription: Subscription) -> int:
        """Add it; the QoS to subscribe its wire filter with, the highest that anybody wants."""
        wire = subscription.wire_filter
        self._router.add(subscription.pattern, subscription)
        self._wire.setdefault(wire, []).append(subscription)
        self._qos[wire] = max(subscription.qos, self._qos.get(wire, 0))
        return self._qos[wire]

    def handles(self, topic: str) -> bool:
        """Whether a route, or a part of ours that listens on the control lane, takes the topic;
        a stream only looks on."""
        found = self._router.find(topic)
        return any(entry.consumer is not None or entry.lane == "control" for entry, _ in found)

    def crowds(self, wire: str) -> bool:
        """Whether the group of a wire filter has another one before it."""
        return wire in topics.crowded((*self._wire, wire))

    def unserved(self, can: Capabilities) -> tuple[Subscription, ...]:
        """Those for which a broker that can do this does not do what they declare."""
        lost = set() if can.shares_filters else topics.crowded(self._wire)
        return tuple(entry for entry in self if entry.wire_filter in lost or not entry.served(can))

    def as_published(self, wire: str) -> bool:
        """Whether anybody on a wire filter wants the retain flags as they were published."""
        return any(entry.as_published for entry in self._wire[wire])

    def remove(self, subscription: Subscription) -> bool:
        """Take it out; whether it was the last one on its wire filter."""
        entries = self._wire.get(subscription.wire_filter, [])
        if subscription not in entries:
            return False
        entries.remove(subscription)
        self._router.remove(subscription.pattern, subscription)
        if entries:
            return False
        del self._wire[subscription.wire_filter], self._qos[subscription.wire_filter]
        return True

    def find(self, delivery: Delivery) -> Found:
        """Those that this copy of a message is for, each with its captures."""
        found = self._router.find(delivery.topic)
        meta = delivery.meta
        if meta is None or not meta.subscriptions:
            return found
        identifiers = meta.subscriptions  # the broker says which of our filters it matched
        if len(found) == 1:
            return found if found[0][0].identifier in identifiers else ()
        return tuple(entry for entry in found if entry[0].identifier in identifiers)


def identifier_of(filter: str) -> int:
    """A subscription identifier that is the same in the next process.

    A broker that kept our session sends what it queued with the identifiers of the process that
    subscribed; 28 bits are what MQTT 5 allows (spec 3.8.2.1.2), and 0 is forbidden.
    """
    return (zlib.crc32(filter.encode()) & 0x0FFF_FFFF) or 1
