"""Finding the message that ends the connection each time it is sent.

A broker that does not take a message (too large, forbidden) may hang up instead of saying so. The
message would then be sent for ever, with all others behind it. So when two connections have ended
without the first of a page having passed, those of the page are sent one at a time. One that has
ended three connections steps aside until another one passes, for a bad network would have ended
that as well; if it then ends one more, it is guilty. Where none passes it is guilty after five. But
nobody is before a minute has gone by: a broker that crashes over and over ends connections, too.

All that is for brokers that take no second connection from us, or that crash on the message. Where
there can be one, `quarantine.py` finds out after the second connection that has ended.
"""

from __future__ import annotations

from collections.abc import Sequence

PATIENCE = 60.0  # seconds from the first connection that one has ended
_STUCK, _SUSPECTED, _GUILTY = 2, 3, 5


class PoisonDetector:
    """Messages are known by their ids, which grow."""

    def __init__(self) -> None:
        self._endings: dict[int, int] = {}
        self._since: dict[int, float] = {}
        self._on_trial: set[int] = set()
        self._first = 0
        self._stuck = 0
        self._alone_to = 0

    def pick(self, waiting: Sequence[int]) -> Sequence[int]:
        """Which of these to send together: all of them, or one."""
        for id in waiting:
            if id in self._on_trial:
                return (id,)
        if not waiting or waiting[0] > self._alone_to:
            return waiting
        endings = [self._endings.get(id, 0) for id in waiting]
        for id, count in zip(waiting, endings, strict=True):
            if count < _SUSPECTED:
                return (id,)
        return (waiting[endings.index(min(endings))],)

    def ended(self, sent: Sequence[int], now: float) -> bool:
        """A connection ended while these were on their way; whether the first one, which was alone,
        is to blame. `now` is in seconds."""
        first, *others = sent
        if others:
            self._stuck = self._stuck + 1 if first == self._first else 1
            self._first = first
            if self._stuck >= _STUCK:
                self._alone_to = max(sent)
            return False
        self._endings[first] = self._endings.get(first, 0) + 1
        if now - self._since.setdefault(first, now) < PATIENCE:
            self._on_trial.discard(first)  # until another one has passed once more
            return False
        return first in self._on_trial or self._endings[first] >= _GUILTY

    def cornered(self, sent: Sequence[int]) -> bool:
        """Whether the last end is reason enough to try these on a connection of their own."""
        if len(sent) > 1:
            return self._stuck >= _STUCK
        return self._endings.get(sent[0], 0) >= _STUCK

    def released(self) -> None:
        """Those that had ended a page are found: what waits goes together again."""
        self._stuck = self._alone_to = 0

    def passed(self, sent: Sequence[int]) -> None:
        """These have arrived: the suspected go on trial, all others are cleared."""
        suspected = {id for id, count in self._endings.items() if count >= _SUSPECTED}
        self._on_trial = (self._on_trial | suspected).difference(sent)
        self._endings = {id: self._endings.get(id, 0) for id in self._on_trial}
        self._since = {id: since for id, since in self._since.items() if id in self._on_trial}

    def proved(self, id: int) -> bool:
        """Whether others have passed where this one did not."""
        return id in self._on_trial

    def forget(self, id: int) -> None:
        """It is no more."""
        self._endings.pop(id, None)
        self._since.pop(id, None)
        self._on_trial.discard(id)
