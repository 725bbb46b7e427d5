"""What a scenario ends with: who accepted how much, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass


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
    forgotten: int = 0
    dead: int = 0
    note: str = ""
    wrong: tuple[str, ...] = ()


def reckon(
    accepted: Collection[int],
    handled: Counter[int],
    *,
    dead: Collection[int] = (),
    forgotten: Collection[int] = (),
    note: str = "",
    wrong: tuple[str, ...] = (),
) -> Outcome:
    """The outcome, from the numbers of the messages."""
    missing = set(accepted) - handled.keys() - set(dead)
    gone = missing & set(forgotten)
    return Outcome(
        accepted=len(set(accepted)),
        handled=len(handled),
        lost=len(missing - gone),
        duplicates=handled.total() - len(handled),
        forgotten=len(gone),
        dead=len(set(dead)),
        note=note,
        wrong=wrong,
    )
