"""The life of a lane's connection, as a table. Two rules: no clock and no I/O; CLOSED is final.

    waiting → opening → settling → up → waiting → …

From `up` a connection may also be left on purpose: for another node, to have messages sent again,
or because the broker acknowledges nothing. `docs/reference/states.md` shows the table.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from dskity.bus.base.transitions import following


class State(StrEnum):
    """Where a lane is between two attempts to connect; the values are for logs and docs."""

    WAITING = "waiting"
    """No connection; the next attempt begins after a delay."""
    OPENING = "opening"
    """CONNECT is on its way."""
    SETTLING = "settling"
    """The broker accepted the connection; the subscriptions are being placed."""
    STALE = "stale"
    """As `opening` and `settling`, but messages are to be sent again: it is closed unused."""
    UP = "up"
    """Connected, with all subscriptions in place."""
    MOVING = "moving"
    """Up, and about to move to the node of the other connection."""
    DISCARDING = "discarding"
    """Up, and about to be made again; what still arrives is dropped, for it is sent again."""
    ABANDONED = "abandoned"
    """Up, and about to be left because the broker does not acknowledge."""
    CLOSED = "closed"
    """The transport is closed."""


class Event(StrEnum):
    """What happens to a lane."""

    ATTEMPT = "attempt"
    """An attempt to connect begins."""
    ACCEPTED = "accepted"
    """CONNACK came, without an error."""
    PLACED = "placed"
    """All subscriptions are in place."""
    FOLLOW = "follow"
    """The other connection is at another node."""
    RENEW = "renew"
    """More messages came than can be held: the broker is to send them again."""
    RENEWED = "renewed"
    """All that is retained has been asked for again."""
    UNANSWERED = "unanswered"
    """The broker acknowledged a publish too late."""
    LOST = "lost"
    """The attempt failed, or the connection ended."""
    CLOSE = "close"
    """The transport is being closed."""


class Aim(StrEnum):
    """What the next connection has to do, beyond being one."""

    FOLLOW = "follow"
    """Connect at the node of the other connection."""
    RENEW = "renew"
    """Ask once more for all that is retained."""


CONNECTED: Final = frozenset({State.UP, State.MOVING, State.DISCARDING, State.ABANDONED})
"""The states in which the connection can be used."""
OPEN: Final = frozenset({State.SETTLING, State.UP, State.MOVING, State.ABANDONED})
"""The states with a connection to close, that nothing closes yet."""
MADE_AGAIN: Final = frozenset({State.STALE, State.DISCARDING})
"""The states that end in a new connection at once, because the old one has not failed."""

_S, _E = State, Event
NEXT: Final[dict[State, dict[Event, State]]] = {
    _S.WAITING: {
        _E.ATTEMPT: _S.OPENING,
        _E.FOLLOW: _S.WAITING,
        _E.RENEW: _S.WAITING,
        _E.LOST: _S.WAITING,
    },
    _S.OPENING: {
        _E.ACCEPTED: _S.SETTLING,
        _E.FOLLOW: _S.OPENING,
        _E.RENEW: _S.STALE,
    },
    _S.SETTLING: {
        _E.PLACED: _S.UP,
        _E.FOLLOW: _S.SETTLING,
        _E.RENEW: _S.STALE,
    },
    _S.STALE: {
        _E.ACCEPTED: _S.STALE,
        _E.PLACED: _S.STALE,
        _E.FOLLOW: _S.STALE,
        _E.RENEW: _S.STALE,
    },
    _S.UP: {
        _E.FOLLOW: _S.MOVING,
        _E.RENEW: _S.DISCARDING,
        _E.RENEWED: _S.UP,
        _E.UNANSWERED: _S.ABANDONED,
    },
    _S.MOVING: {
        _E.FOLLOW: _S.MOVING,
        _E.RENEW: _S.DISCARDING,
        _E.RENEWED: _S.MOVING,
        _E.UNANSWERED: _S.ABANDONED,
    },
    _S.DISCARDING: {
        _E.FOLLOW: _S.DISCARDING,
        _E.RENEW: _S.DISCARDING,
        _E.RENEWED: _S.DISCARDING,
        _E.UNANSWERED: _S.DISCARDING,
    },
    _S.ABANDONED: {
        _E.FOLLOW: _S.ABANDONED,
        _E.RENEW: _S.DISCARDING,
        _E.RENEWED: _S.ABANDONED,
        _E.UNANSWERED: _S.ABANDONED,
    },
    _S.CLOSED: dict.fromkeys(Event, _S.CLOSED),
}
"""Which state follows which, by event. A pair that is absent is an error."""
for _state in State:
    if _state is not State.CLOSED:
        NEXT[_state] |= {Event.LOST: State.WAITING, Event.CLOSE: State.CLOSED}


@dataclass(frozen=True, slots=True)
class Life:
    """A lane's state, and what its next connection has to do."""

    state: State = State.WAITING
    aims: frozenset[Aim] = field(default_factory=frozenset)

    @property
    def connected(self) -> bool:
        """Whether the connection can be used."""
        return self.state in CONNECTED

    @property
    def closed(self) -> bool:
        """Whether no further attempt begins."""
        return self.state is State.CLOSED

    @property
    def again_at_once(self) -> bool:
        """Whether the connection is left without having failed: no delay before the next one."""
        return self.state in MADE_AGAIN or Aim.FOLLOW in self.aims


def step(life: Life, event: Event) -> Life:
    """`life` after `event`; raises `ImpossibleTransition` for what the table does not have."""
    state = following(NEXT, life.state, event, whose="a connection")
    return replace(life, state=state, aims=_aims(life, event))


def _aims(life: Life, event: Event) -> frozenset[Aim]:
    """An aim is kept over any number of attempts, until it is reached."""
    aims = life.aims
    if event is Event.FOLLOW and life.connected:  # else the next attempt goes there anyway
        return aims | {Aim.FOLLOW}
    if event is Event.PLACED and life.state is State.SETTLING:
        return aims - {Aim.FOLLOW}
    if event is Event.RENEW:
        return aims | {Aim.RENEW}
    if event is Event.RENEWED and life.state is not State.DISCARDING:
        return aims - {Aim.RENEW}
    return aims
