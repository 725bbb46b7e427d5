"""What a scenario ends with: who accepted how much, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import pairwise

STEADY = 3.0
"""Seconds without anything handled that are no stand-still on a busy machine."""
RESTART = 10.0
"""The same where a process, ours or the broker's, starts meanwhile, or connects again."""


@dataclass(frozen=True, slots=True)
class Size:
    """How big a scenario is: `messages` in all, and how often or how long its fault happens."""

    messages: int
    faults: int = 1
    seconds: float = 0.0

    def times(self, scale: float) -> Size:
        """The same with more messages, or fewer."""
        return Size(max(1, round(self.messages * scale)), self.faults, self.seconds)


@dataclass(frozen=True, slots=True)
class Pause:
    """The longest time without anything handled though something was to be handled, and how long
    it may be: seconds."""

    longest: float
    allowed: float

    @property
    def stood_still(self) -> float:
        """How much longer it was than it may be."""
        return max(0.0, self.longest - self.allowed)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row of the table.

    `accepted` is what somebody promised to keep: the broker by PUBACK, or our bus by a receipt.
    `lost` of these never reached a handler nor the dead letters, though whoever was to keep them
    still had them; `forgotten` are those that the broker had acknowledged and did not have any
    more when it came back. `dead` are dead letters, `duplicates` handled once more than needed.
    `wrong` says what else was not as it should be.
    """

    accepted: int
    handled: int
    lost: int
    duplicates: int
    pause: Pause
    forgotten: int = 0
    dead: int = 0
    note: str = ""
    wrong: tuple[str, ...] = ()

    @property
    def well(self) -> bool:
        """Whether nothing was lost, stood still or was wrong."""
        return not self.lost and not self.pause.stood_still and not self.wrong


def reckon(
    accepted: Collection[int],
    handled: Counter[int],
    *,
    pause: Pause,
    dead: Collection[int] = (),
    forgotten: Collection[int] = (),
    note: str = "",
    wrong: Iterable[str] = (),
) -> Outcome:
    """The outcome, from the numbers of the messages."""
    missing = set(accepted) - handled.keys() - set(dead)
    gone = missing & set(forgotten)
    return Outcome(
        accepted=len(set(accepted)),
        handled=len(handled),
        lost=len(missing - gone),
        duplicates=handled.total() - len(handled),
        pause=pause,
        forgotten=len(gone),
        dead=len(set(dead)),
        note=note,
        wrong=tuple(wrong),
    )


def longest_pause(since: float, *moments: Iterable[float], allowed: float = STEADY) -> Pause:
    """The longest time from one handled message to the next.

    `since` is when there was something to handle for the first time, on the clock of the moments.
    Until the last of them there always was: measure where messages come, or wait, throughout.
    """
    times = sorted((since, *(moment for each in moments for moment in each if moment > since)))
    gaps = (after - before for before, after in pairwise(times))
    return Pause(max(gaps, default=0.0), allowed)
