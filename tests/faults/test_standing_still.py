"""How long nothing was handled, from the moments of what was."""

from __future__ import annotations

from pathlib import Path

from tests.faults.journal import Journal, Ledger
from tests.faults.outcome import still


def test_the_longest_gap_beyond_the_allowance_counts() -> None:
    """Across all journals together, from when there was something to handle."""
    assert still(10.0, [11.0, 12.0], [13.0, 20.0], allowance=3.0) == 4.0
    assert still(10.0, [12.0, 14.0, 16.0], allowance=3.0) == 0.0
    assert still(10.0, [5.0, 18.0], allowance=3.0) == 5.0, "what came before does not count"
    assert still(10.0, allowance=3.0) == 0.0


def test_a_journal_has_the_moment_of_each_number(tmp_path: Path) -> None:
    """As the process that wrote it saw them, on the clock that all of them share."""
    journal, ledger = Journal(tmp_path / "handled"), Ledger(tmp_path / "handled")
    for number in (4, 2, 4):
        journal.note(number)
    ledger.update()
    assert ledger.order == [4, 2, 4]
    assert len(ledger.moments) == 3
    assert ledger.moments == sorted(ledger.moments)
