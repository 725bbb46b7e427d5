"""How long nothing was handled, from the moments of what was."""

from __future__ import annotations

from pathlib import Path

from tests.faults.journal import Journal, Ledger
from tests.faults.outcome import Outcome, Pause, longest_pause


def test_the_longest_gap_beyond_the_allowance_counts() -> None:
    """Across all journals together, from when there was something to handle."""
    pause = longest_pause(10.0, [11.0, 12.0], [13.0, 20.0], allowed=3.0)
    assert (pause.longest, pause.stood_still) == (7.0, 4.0)
    assert longest_pause(10.0, [12.0, 14.0, 16.0], allowed=3.0) == Pause(2.0, 3.0)
    assert longest_pause(10.0, [12.0, 14.0, 16.0], allowed=3.0).stood_still == 0.0
    late = longest_pause(10.0, [5.0, 18.0], allowed=3.0)
    assert late.stood_still == 5.0, "what came before does not count"
    assert longest_pause(10.0, allowed=3.0).longest == 0.0


def test_what_is_lost_or_stood_still_or_is_wrong_is_not_well() -> None:
    """Each of them by itself."""
    brief, long = Pause(1.0, 3.0), Pause(4.0, 3.0)
    assert Outcome(5, 5, 0, 0, brief).well
    assert not Outcome(5, 4, 1, 0, brief).well
    assert not Outcome(5, 5, 0, 0, long).well
    assert not Outcome(5, 5, 0, 0, brief, wrong=("the process has ended",)).well


def test_a_journal_has_the_moment_of_each_number(tmp_path: Path) -> None:
    """As the process that wrote it saw them, on the clock that all of them share."""
    journal, ledger = Journal(tmp_path / "handled"), Ledger(tmp_path / "handled")
    for number in (4, 2, 4):
        journal.note(number)
    ledger.update()
    assert ledger.order == [4, 2, 4]
    assert len(ledger.moments) == 3
    assert ledger.moments == sorted(ledger.moments)
