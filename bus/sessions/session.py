"""What a broker knows of one client id, connected or not."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from dskity.bus import topics
from dskity.bus.transport import Lane


class Published(Protocol):
    """What the core reads of a message; the rest is for those who send and receive it."""

    @property
    def topic(self) -> str:
        """The topic name."""
        ...

    @property
    def payload(self) -> bytes:
        """The payload; an empty one clears what is retained."""
        ...

    @property
    def qos(self) -> int:
        """The QoS that it was published with."""
        ...

    @property
    def retain(self) -> bool:
        """Whether to keep it for those who subscribe later."""
        ...

    @property
    def expires_in(self) -> float | None:
        """Seconds until it expires, when it is published; None: never."""
        ...


M = TypeVar("M", bound=Published)


class Client(Protocol):
    """One connection, as the core sees it. Neither method may raise."""

    def deliver_soon(self) -> None:
        """Something waits in the session: take it in the next turn of the event loop."""
        ...

    def taken_over(self) -> None:
        """Another connection came with this client id: leave the session ([MQTT-3.1.4-3])."""
        ...


@dataclass(slots=True, eq=False)
class Subscription(Generic[M]):
    """One filter of a session. `identifiers` is what a copy for it alone names."""

    session: Session[M]
    pattern: topics.Pattern
    group: str | None
    qos: int
    identifiers: tuple[int, ...]
    lane: Lane
    as_published: bool = False
    no_local: bool = False

    @property
    def terms(self) -> tuple[int, tuple[int, ...], bool]:
        """What a second SUBSCRIBE to the same filter may change."""
        return self.qos, self.identifiers, self.as_published


@dataclass(slots=True, eq=False)
class Queued(Generic[M]):
    """A message on its way to one session. `due` is when it expires (monotonic seconds), or None;
    `size` what it counts towards the bounds; `packet` the identifier that it was sent with."""

    message: M
    qos: int
    retain: bool
    identifiers: tuple[int, ...]
    due: float | None
    size: int = 0
    duplicate: bool = False
    packet: int = 0


def _lanes() -> dict[Lane, deque[Queued[M]]]:
    return {"intake": deque(), "control": deque()}


@dataclass(slots=True, eq=False)
class Session(Generic[M]):
    """Its state as of MQTT 5 spec 4.1.

    `unacked` has what was sent and not acknowledged, in the order of sending; `released` the packet
    identifiers of QoS 2 messages that the client has (PUBREC); `received` those that came from it
    and wait for PUBREL. `expiry` is how many seconds it outlives its connection. `size` is what
    waits or is unacknowledged, in bytes. With `once` it has one copy of a message at most, also
    where a shared subscription matches beside another one: without identifiers its client could
    not tell them from two messages.
    """

    client_id: str
    subs: dict[tuple[Lane, str], Subscription[M]] = field(default_factory=dict)
    waiting: dict[Lane, deque[Queued[M]]] = field(default_factory=_lanes)
    unacked: dict[int, tuple[Lane, Queued[M]]] = field(default_factory=dict)
    released: dict[int, None] = field(default_factory=dict)
    received: set[int] = field(default_factory=set)
    next_id: int = 0
    client: Client | None = None
    expiry: float = math.inf
    size: int = 0
    dropped: int = 0
    once: bool = False

    @property
    def backlog(self) -> int:
        """Messages that wait, and those that are not acknowledged."""
        return sum(map(len, self.waiting.values())) + len(self.unacked)

    def send_again(self) -> None:
        """What was not acknowledged comes first again, marked as duplicate ([MQTT-4.4.0-1])."""
        for lane, queued in reversed(self.unacked.values()):
            queued.duplicate = True
            self.waiting[lane].appendleft(queued)
        self.unacked.clear()
