"""The life of an outbox, as a table: whether it is open, whether the broker is there, whether
anything waits. Two rules: no clock and no I/O; an event that the table lacks is an error.

`docs/reference/states.md` shows the table.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from dskity.bus.base.transitions import following


class State(StrEnum):
    """What the outbox does; the values are for logs and docs."""

    CLOSED = "closed"
    """The file is not open; the broker is away."""
    CLOSED_CONNECTED = "closed_connected"
    """The file is not open; the broker is there."""
    HELD = "held"
    """Open, and not released yet; the broker is away."""
    HELD_CONNECTED = "held_connected"
    """Open, and not released yet; the broker is there."""
    AWAY = "away"
    """Nothing waits, and the broker is away."""
    READY = "ready"
    """Nothing waits, and the broker is there."""
    WAITING = "waiting"
    """Messages wait for the broker."""
    SENDING = "sending"
    """What waits is being sent, page after page."""
    SENDING_MORE = "sending_more"
    """As `sending`; a message was put meanwhile, perhaps behind the last page."""
    PAUSED = "paused"
    """The broker or the disk refused for now; the next try comes after a delay."""


class Event(StrEnum):
    """What happens to an outbox."""

    OPEN = "open"
    """The file is open."""
    RELEASE = "release"
    """The receivers of the messages in this process are subscribed."""
    CONNECT = "connect"
    """The broker is there."""
    DISCONNECT = "disconnect"
    """The broker is gone."""
    PUT = "put"
    """A message may wait on the disk."""
    DRAINED = "drained"
    """The page after the last one was empty."""
    FAILED = "failed"
    """Sending ended with an error."""
    RETRY = "retry"
    """The delay after an error is over."""
    CLOSE = "close"
    """The outbox is being closed."""


SENDS: Final = frozenset({State.SENDING, State.SENDING_MORE})
"""The states in which the sending task works."""
CONNECTED: Final = SENDS | {
    State.CLOSED_CONNECTED,
    State.HELD_CONNECTED,
    State.READY,
    State.PAUSED,
}
"""The states in which the broker is there."""

_S, _E = State, Event
NEXT: Final[dict[State, dict[Event, State]]] = {
    _S.CLOSED: {
        _E.OPEN: _S.HELD,
        _E.CONNECT: _S.CLOSED_CONNECTED,
        _E.DRAINED: _S.CLOSED,
        _E.FAILED: _S.CLOSED,
    },
    _S.CLOSED_CONNECTED: {
        _E.OPEN: _S.HELD_CONNECTED,
        _E.DISCONNECT: _S.CLOSED,
        _E.DRAINED: _S.CLOSED_CONNECTED,
        _E.FAILED: _S.CLOSED_CONNECTED,
    },
    _S.HELD: {_E.RELEASE: _S.AWAY, _E.CONNECT: _S.HELD_CONNECTED, _E.PUT: _S.HELD},
    _S.HELD_CONNECTED: {
        _E.RELEASE: _S.READY,
        _E.DISCONNECT: _S.HELD,
        _E.PUT: _S.HELD_CONNECTED,
    },
    _S.AWAY: {_E.CONNECT: _S.READY, _E.PUT: _S.WAITING},
    _S.READY: {_E.DISCONNECT: _S.AWAY, _E.PUT: _S.SENDING},
    _S.WAITING: {
        _E.CONNECT: _S.SENDING,
        _E.PUT: _S.WAITING,
        _E.DRAINED: _S.WAITING,
        _E.FAILED: _S.WAITING,
    },
    _S.SENDING: {
        _E.DISCONNECT: _S.WAITING,
        _E.PUT: _S.SENDING_MORE,
        _E.DRAINED: _S.READY,
        _E.FAILED: _S.PAUSED,
    },
    _S.SENDING_MORE: {
        _E.DISCONNECT: _S.WAITING,
        _E.PUT: _S.SENDING_MORE,
        _E.DRAINED: _S.SENDING,
        _E.FAILED: _S.PAUSED,
    },
    _S.PAUSED: {
        _E.DISCONNECT: _S.WAITING,
        _E.PUT: _S.PAUSED,
        _E.RETRY: _S.SENDING,
    },
}
"""Which state follows which, by event. A pair that is absent is an error."""

for _state in State:
    # What another task tells, at any moment; where the table has nothing else it changes nothing.
    for _event in (Event.CONNECT, Event.DISCONNECT, Event.PUT, Event.RETRY):
        NEXT[_state].setdefault(_event, _state)
    if _state not in {State.CLOSED, State.CLOSED_CONNECTED}:  # it would be forgotten there
        NEXT[_state].setdefault(Event.RELEASE, _state)
    NEXT[_state][Event.CLOSE] = State.CLOSED_CONNECTED if _state in CONNECTED else State.CLOSED


def step(state: State, event: Event) -> State:
    """The state after an event; raises `ImpossibleTransition` for what the table does not have."""
    return following(NEXT, state, event, whose="an outbox")
