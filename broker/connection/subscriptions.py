"""What we want to be subscribed to, and what the broker's session holds of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from dskity.bus import topics
from dskity.bus.delivery import Meta
from dskity.bus.routing.router import CACHED_TOPICS, Router
from dskity.bus.transport import Lane

LANES: tuple[Lane, Lane] = ("intake", "control")


@dataclass(frozen=True, slots=True, eq=False)
class Subscription:
    """One filter on the wire."""

    filter: str
    qos: int
    identifier: int
    lane: Lane
    as_published: bool = False

    @property
    def shared(self) -> bool:
        """Whether a group of clients shares the messages."""
        return topics.split_share(self.filter)[0] is not None

    @property
    def terms(self) -> tuple[int, int, bool]:
        """What a broker that already has the filter must be told anew when it changes."""
        return self.qos, self.identifier, self.as_published


@dataclass(frozen=True, slots=True)
class Match:
    """What a topic means to one lane: `copies` filters of ours, none shared, match it.

    `meta` names the matching subscriptions where the other lane has some too, and is None else.
    `plain` are those filters of ours themselves.
    """

    copies: int
    meta: Meta | None
    plain: tuple[Subscription, ...] = field(default=(), compare=False)


class Subscriptions:
    """The filters of both lanes; a filter may be on each of them."""

    def __init__(self) -> None:
        self._wanted: dict[tuple[Lane, str], Subscription] = {}
        self._routers: dict[Lane, Router[Subscription]] = {lane: Router() for lane in LANES}
        self._matches: dict[tuple[Lane, str], Match] = {}

    def get(self, filter: str, lane: Lane) -> Subscription | None:
        """The subscription on a filter, if there is one."""
        return self._wanted.get((lane, filter))

    def of(self, lane: Lane) -> list[Subscription]:
        """All of one lane, oldest first."""
        return [entry for entry in self._wanted.values() if entry.lane == lane]

    def add(self, subscription: Subscription) -> None:
        """Add it, in place of one on the same filter, and at its place."""
        self._take_out(subscription.filter, subscription.lane)
        self._wanted[subscription.lane, subscription.filter] = subscription
        self._routers[subscription.lane].add(_pattern(subscription), subscription)

    def remove(self, filter: str, lane: Lane) -> None:
        """Forget a filter."""
        self._take_out(filter, lane)
        self._wanted.pop((lane, filter), None)

    def _take_out(self, filter: str, lane: Lane) -> None:
        self._matches.clear()
        gone = self._wanted.get((lane, filter))
        if gone is not None:
            self._routers[gone.lane].remove(_pattern(gone), gone)

    def match(self, lane: Lane, topic: str) -> Match:
        """What a message on `topic` that came on `lane` is for, where the broker does not say."""
        found = self._matches.get((lane, topic))
        if found is None:
            found = self._look_up(lane, topic)
            if len(self._matches) >= CACHED_TOPICS:
                self._matches.clear()
            self._matches[lane, topic] = found
        return found

    def _look_up(self, lane: Lane, topic: str) -> Match:
        here = [entry for entry, _ in self._routers[lane].find(topic)]
        other = any(self._routers[name].find(topic) for name in LANES if name != lane)
        identifiers = tuple(entry.identifier for entry in here)
        plain = tuple(entry for entry in here if not entry.shared)
        return Match(
            copies=len(plain),
            meta=Meta(subscriptions=identifiers) if other and here else None,
            plain=plain,
        )


def _pattern(subscription: Subscription) -> topics.Pattern:
    plain = topics.split_share(subscription.filter)[1]
    return topics.Pattern(subscription.filter, plain, tuple(plain.split("/")))


class Held:
    """What the broker's session of one client id holds, as far as this process put it there.

    The session of an earlier process may hold more; only that process knew what.
    """

    def __init__(self) -> None:
        self._terms: dict[str, tuple[int, int, bool] | None] = {}

    def put(self, subscription: Subscription) -> None:
        """The broker granted it."""
        self._terms[subscription.filter] = subscription.terms

    def has(self, subscription: Subscription) -> bool:
        """Whether the broker has it, as it is wanted."""
        return self._terms.get(subscription.filter) == subscription.terms

    def drop(self, filter: str) -> None:
        """The broker has it no more."""
        self._terms.pop(filter, None)

    def begin(self, *, resumed: bool, anew: bool = False) -> None:
        """A connection begins; a session that was not resumed is empty.

        `anew`: all that we want is to be made again. What is resumed at another node may be what
        we left there long ago.
        """
        if not resumed:
            self._terms.clear()
        elif anew:
            self._terms = dict.fromkeys(self._terms)

    def surplus(self, wanted: list[Subscription]) -> list[str]:
        """The filters to unsubscribe from."""
        names = {entry.filter for entry in wanted}
        return [filter for filter in self._terms if filter not in names]

    def missing(self, wanted: list[Subscription]) -> list[Subscription]:
        """The subscriptions to make, new or changed."""
        return [entry for entry in wanted if self._terms.get(entry.filter) != entry.terms]
