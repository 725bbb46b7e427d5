"""Who is subscribed to what on one connection, and which of them a message is for."""

from __future__ import annotations

import zlib
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from dskity.bus import topics
from dskity.bus.consumer import Accept, Consumer
from dskity.bus.delivery import Delivery
from dskity.bus.errors import InvalidInput
from dskity.bus.routing.router import Router
from dskity.bus.routing.strays import Strays
from dskity.bus.transport import Capabilities, Lane

GONE = 10_000  # identifiers of the control lane that are remembered after their end

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
    watches: bool = False
    qos: int = 1
    again: Callable[[], Awaitable[Subscription]] | None = field(default=None, repr=False)
    identifier: int = 0

    def __post_init__(self) -> None:
        self.identifier = identifier_of(self.wire_filter, self.lane)

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
    """The table: by lane and wire filter, for the broker, and by topic, for what arrives."""

    def __init__(self) -> None:
        self._router: Router[Subscription] = Router()
        self._wire: dict[tuple[Lane, str], list[Subscription]] = {}
        self._qos: dict[tuple[Lane, str], int] = {}
        self._known: Counter[int] = Counter()
        self._gone: OrderedDict[int, None] = OrderedDict()
        self._strays = Strays()

    def __iter__(self) -> Iterator[Subscription]:
        return (entry for entries in self._wire.values() for entry in entries)

    def add(self, subscription: Subscription) -> int:
        """Add it; the QoS to subscribe its wire filter with, the highest that anybody wants."""
        place = subscription.lane, subscription.wire_filter
        self._router.add(subscription.pattern, subscription)
        self._wire.setdefault(place, []).append(subscription)
        self._qos[place] = max(subscription.qos, self._qos.get(place, 0))
        self._known[subscription.identifier] += 1
        return self._qos[place]

    def handles(self, topic: str) -> bool:
        """Whether a route, or a part of ours that listens on the control lane, takes the topic;
        a stream only watches."""
        return any(
            entry.consumer is not None or (entry.lane == "control" and not entry.watches)
            for entry, _ in self._router.find(topic)
        )

    def crowds(self, wire: str) -> bool:
        """Whether the group of a wire filter has another one before it."""
        return wire in topics.crowded((*(filter for _, filter in self._wire), wire))

    def unserved(self, can: Capabilities) -> tuple[Subscription, ...]:
        """Those for which a broker that can do this does not do what they declare."""
        wires = [filter for _, filter in self._wire]
        lost = set() if can.shares_filters else topics.crowded(wires)
        return tuple(entry for entry in self if entry.wire_filter in lost or not entry.served(can))

    def as_published(self, wire: str, lane: Lane) -> bool:
        """Whether anybody on a wire filter wants the retain flags as they were published."""
        return any(entry.as_published for entry in self._wire[lane, wire])

    def remove(self, subscription: Subscription) -> bool:
        """Take it out; whether it was the last one on its wire filter."""
        place = subscription.lane, subscription.wire_filter
        entries = self._wire.get(place, [])
        if subscription not in entries:
            return False
        entries.remove(subscription)
        self._router.remove(subscription.pattern, subscription)
        self._forget(subscription)
        if entries:
            return False
        del self._wire[place], self._qos[place]
        return True

    def _forget(self, subscription: Subscription) -> None:
        identifier = subscription.identifier
        self._known[identifier] -= 1
        if self._known[identifier]:
            return
        del self._known[identifier]
        if subscription.lane == "intake":
            self._strays.expect()
            return
        self._gone[identifier] = None
        if len(self._gone) > GONE:
            self._gone.popitem(last=False)

    def at(self, topic: str) -> Found:
        """All those whose filters match a topic."""
        return self._router.find(topic)

    def is_control(self, delivery: Delivery) -> bool:
        """Whether this copy of a message is for the control lane."""
        ids = delivery.meta.subscriptions if delivery.meta else ()
        return any(
            entry.lane == "control" and (not ids or entry.identifier in ids)
            for entry, _ in self._router.find(delivery.topic)
        )

    def find(self, delivery: Delivery) -> Found:
        """Those that this copy of a message is for, each with its captures."""
        found = self._router.find(delivery.topic)
        meta = delivery.meta
        if meta is None or not meta.subscriptions:
            return found
        identifiers = meta.subscriptions  # the broker says which of our filters it matched
        if len(found) != 1 or found[0][0].identifier not in identifiers:
            found = self._named(found, identifiers)
        return self._strays.share(delivery, found) if self._strays.watching else found

    def _named(self, found: Found, identifiers: tuple[int, ...]) -> Found:
        """Those of `found` that are named, or where nothing named is known all of the intake: the
        broker has queued the message under a filter that is not ours any more."""
        known = self._known
        if any(identifier in known or identifier in self._gone for identifier in identifiers):
            return tuple(entry for entry in found if entry[0].identifier in identifiers)
        self._strays.expect()
        return tuple(entry for entry in found if entry[0].lane == "intake")


def identifier_of(filter: str, lane: Lane = "intake") -> int:
    """A subscription identifier that is the same in the next process, and another one for the
    same filter on the other lane.

    A broker that kept our session sends what it queued with the identifiers of the process that
    subscribed; 28 bits are what MQTT 5 allows (spec 3.8.2.1.2), and 0 is forbidden.
    """
    name = filter if lane == "intake" else f"{lane} {filter}"
    return (zlib.crc32(name.encode()) & 0x0FFF_FFFF) or 1
