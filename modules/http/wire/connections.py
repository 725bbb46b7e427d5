"""Who may hold a connection: bounds of all and of one address, and a reserve. Values in and out.

A stranger takes a place of the common ones; who finds none takes one of the reserve, where only
`/health` is answered and the oldest gives way to the newest. So a probe gets its answer whatever
others hold. This machine (127.0.0.1, ::1) has a reserve of its own with all rights, for the person
who looks what is going on; a proxy on this machine draws on it too.

A place lasts as long as its socket, also while TLS is negotiated and after an upgrade to WebSocket.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from dskity.bus.base.addresses import ip_address, source_of

PLACE = "dskity_connection"
"""Where a request's state has its connection's `Place`."""
LINGER = 5.0
"""Seconds for a peer to take the last answer, or to end a body that nobody wants any more."""
_HOME = "this machine"
_HOMES = frozenset(map(ip_address, ("127.0.0.1", "::1")))


@dataclass(frozen=True, slots=True)
class Bounds:
    """Connections at the same time: in common, of one address, and in each reserve."""

    connections: int = 1000
    per_address: int = 250
    reserve: int = 50


@dataclass(frozen=True, slots=True)
class TimeOuts:
    """Seconds for a request's head (with the TLS handshake), for its body, and between requests."""

    head: float = 10.0
    body: float = 60.0
    idle: float = 30.0


class Place:
    """One connection. `deadline` is when `overdue` is called, `stalled` when the connection is cut
    because its peer reads nothing; None for never."""

    __slots__ = ("cut", "deadline", "health_only", "holder", "is_ours", "overdue", "stalled")

    def __init__(
        self, holder: str, deadline: float, cut: Callable[[], None], *, health_only: bool
    ) -> None:
        self.holder = holder
        self.health_only = health_only
        self.deadline: float | None = deadline
        self.stalled: float | None = None
        self.cut = cut
        self.overdue = cut
        self.is_ours: bool | None = None
        """What the guard has found out about the peer's socket; None: not asked yet."""


class Connections:
    """The places of one server."""

    def __init__(self, bounds: Bounds, time_outs: TimeOuts) -> None:
        self.time_outs = time_outs
        self._bounds = bounds
        self._common: Counter[str] = Counter()
        self._reserve: dict[Place, None] = {}  # the oldest first
        self._places: set[Place] = set()

    def admit(self, host: str, cut: Callable[[], None], now: float) -> Place:
        """A place for a connection from `host`; `cut` ends it at once."""
        holder = _holder(host)
        health_only = not self._has_room(holder)
        place = Place(holder, now + self.time_outs.head, cut, health_only=health_only)
        self._places.add(place)
        if not health_only:
            self._common[holder] += 1
            return place
        if len(self._reserve) >= self._bounds.reserve:
            oldest = next(iter(self._reserve))
            del self._reserve[oldest]
            oldest.cut()
        self._reserve[place] = None
        return place

    def leave(self, place: Place) -> None:
        """The socket is closed."""
        if place not in self._places:
            return
        self._places.discard(place)
        if place.health_only:
            self._reserve.pop(place, None)
        else:
            self._common[place.holder] -= 1
            self._common += Counter()  # forgets who has none left

    def sweep(self, now: float) -> None:
        """End what is over its time."""
        for place in tuple(self._places):
            if place.stalled is not None and place.stalled <= now:
                place.cut()
            elif place.deadline is not None and place.deadline <= now:
                place.overdue()

    def _has_room(self, holder: str) -> bool:
        taken = self._common.total()
        if holder == _HOME:
            return taken < self._bounds.connections + self._bounds.reserve
        return taken < self._bounds.connections and self._common[holder] < self._bounds.per_address


@lru_cache(maxsize=1024)
def _holder(host: str) -> str:
    """Whose connections are counted together."""
    return _HOME if ip_address(host) in _HOMES else source_of(host)
