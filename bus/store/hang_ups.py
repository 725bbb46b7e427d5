"""Which waiting message ends the connection: what the outbox infers from the ends it sees.

See `poison.py` for what one connection tells, and `quarantine.py` for trying a message apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from dskity.bus.errors import NotConnected, Unacknowledged
from dskity.bus.message import Message
from dskity.bus.store.poison import PoisonDetector
from dskity.bus.store.quarantine import Quarantine, Verdict
from dskity.bus.store.rows import Stored

HANGS_UP: Final = (
    "the broker closes the connection each time it is sent; check the size limit and "
    "the ACL of the broker"
)
UNANSWERED: Final = "the broker acknowledges others, and never this one"
MAYBE: Final = (
    "each connection ends with it, but no other message passes: it is sent again at the next start"
)


class Accused(NamedTuple):
    """A message that is to be set aside, and why."""

    stored: Stored
    reason: str


@dataclass(frozen=True, slots=True)
class Sent:
    """Messages that were sent together: the number of the connection when they were read, and what
    became of each, in the same order: True for an acknowledgement, False for one set aside."""

    connection: int
    messages: Sequence[Stored]
    outcomes: Sequence[bool | BaseException]

    @property
    def ids(self) -> list[int]:
        """Of all."""
        return [stored.id for stored in self.messages]

    @property
    def acknowledged(self) -> list[int]:
        """The ids of those that the broker has."""
        pairs = zip(self.messages, self.outcomes, strict=True)
        return [stored.id for stored, outcome in pairs if outcome is True]

    @property
    def cut_off(self) -> list[Stored]:
        """Those that were on their way when the connection ended."""
        pairs = zip(self.messages, self.outcomes, strict=True)
        return [stored for stored, outcome in pairs if isinstance(outcome, NotConnected)]


class HangUps:
    """Remembers the ends of connections, and whom they accuse."""

    def __init__(self) -> None:
        self._poison = PoisonDetector()
        self._cornered: list[Stored] = []
        self._ended = 0  # the connection whose end was the last to be seen

    def pick(self, waiting: Sequence[int]) -> Sequence[int]:
        """The ids to send together; see `PoisonDetector`."""
        return self._poison.pick(waiting)

    def forget(self, id: int) -> None:
        """It is no more."""
        self._poison.forget(id)

    def judge(self, sent: Sent, now: float) -> Accused | None:
        """What these outcomes at `now` (monotonic seconds) prove; call `forget` once it is set
        aside."""
        if not sent.cut_off:
            if sent.acknowledged:  # what was refused may never have been on the connection
                self._poison.passed(sent.acknowledged)
        elif self._ended != sent.connection:  # else it was gone before these were sent
            self._ended = sent.connection
            if self._poison.ended(sent.ids, now):
                return self._blame(sent.messages[0], sent.outcomes[0])
            if self._poison.cornered(sent.ids):
                self._cornered = sent.cut_off
        return None

    async def examine(
        self, quarantine: Quarantine | None, prepare: Callable[[Stored], Message | None]
    ) -> list[tuple[Stored, Verdict]]:
        """Try those that may have ended the connection on another one. `prepare` gives the message
        as it is sent now, None for one that is over."""
        cornered, self._cornered = self._cornered, []
        if quarantine is None or not cornered:
            return []
        alive = [(one, message) for one in cornered if (message := prepare(one)) is not None]
        verdicts = await quarantine.examine([message for _, message in alive])
        return [(one, verdict) for (one, _), verdict in zip(alive, verdicts, strict=True)]

    def released(self) -> None:
        """All were found guilty or innocent: what waits goes together again."""
        self._poison.released()

    def _blame(self, stored: Stored, outcome: bool | BaseException) -> Accused | None:
        """What was alone when connection after connection ended."""
        silent = isinstance(outcome, Unacknowledged)
        if self._poison.proved(stored.id):
            return Accused(stored, UNANSWERED if silent else HANGS_UP)
        # A broker that acknowledges nothing accuses no message.
        return None if silent else Accused(stored, MAYBE)
