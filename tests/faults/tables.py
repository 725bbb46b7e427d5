"""What `scripts/faults` prints."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from tests.faults.outcome import Outcome
from tests.faults.soaking.soak import Figures, Row

_COUNTS = ("accepted", "handled", "dead", "lost", "forgotten", "duplicates")
_PAUSE = ("longest pause", "allowed", "stood still")  # seconds
_WIDTH = 200  # columns, where the output is no terminal


def show(table: Table) -> None:
    """Print it, wide where nobody's terminal limits it."""
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH
    console.print(table)


def of_scenarios(rows: Iterable[tuple[str, Outcome, float]]) -> Table:
    """Names, outcomes, and the seconds that each took."""
    table = _table("scenario", "seconds")
    for name, outcome, seconds in rows:
        table.add_row(name, *_cells(outcome), f"{seconds:.0f}", _words(outcome))
    return table


def of_soak(rows: Iterable[Row]) -> Table:
    """Memory and files are those of a runtime's last life: when it was up, at most, at the end."""
    table = _table("runtime", "kills", "faults", "MiB", "files", "last life")
    for row in rows:
        figures = _three(row.memory), _three(row.files)
        more = (str(row.kills), str(row.troubles.total()), *figures, f"{row.lived:.0f} s")
        table.add_row(row.name, *_cells(row.outcome), *more, _words(row.outcome))
    return table


def _table(first: str, *more: str) -> Table:
    table = Table(first)
    for column in (*_COUNTS, *_PAUSE, *more):
        table.add_column(column, justify="right")
    table.add_column("")
    return table


def _cells(outcome: Outcome) -> tuple[str, ...]:
    counts = (
        outcome.accepted,
        outcome.handled,
        outcome.dead,
        outcome.lost,
        outcome.forgotten,
        outcome.duplicates,
    )
    pause = (outcome.pause.longest, outcome.pause.allowed, outcome.pause.stood_still)
    return (*(f"{count:,}" for count in counts), *(f"{seconds:.1f}" for seconds in pause))


def _words(outcome: Outcome) -> str:
    return "; ".join(filter(None, (*outcome.wrong, outcome.note)))


def _three(figures: Figures) -> str:
    return f"{figures.first} · {figures.most} · {figures.last}"
