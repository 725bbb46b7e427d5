"""Figures as a table for the terminal, as Markdown for the docs, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.table import Table as Grid
from rich.text import Text

from benchmarks.figures import Goal, Measured, Table, figure

_COLUMNS = ("what", "median", "rounds", "CPU µs", "goal")


def grid(table: Table) -> Grid:
    """For the terminal."""
    grid = Grid(title=table.title, title_justify="left", caption=table.note or None)
    for name in _COLUMNS:
        grid.add_column(name, justify="left" if name in {"what", "goal"} else "right")
    for measured in table.measured:
        goals = [Text(goal.shown, "green" if goal.met else "red") for goal in measured.goals]
        goals += [Text(note) for note in measured.notes]
        grid.add_row(*_cells(measured), Text("\n").join(goals))
    return grid


def markdown(table: Table) -> str:
    """For docs/performance.md."""
    lines = [f"### {table.title}", ""]
    if table.note:
        lines += [f"{table.note[0].upper()}{table.note[1:]}.", ""]
    lines += [f"| {' | '.join(_COLUMNS)} |", "|---|--:|--:|--:|---|"]
    for measured in table.measured:
        goals = [f"{goal.shown} {_verdict(goal)}" for goal in measured.goals]
        cells = (*_cells(measured), "<br>".join((*goals, *measured.notes)))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _verdict(goal: Goal) -> str:
    return "met" if goal.met else "**missed**"


def as_json(tables: Iterable[Table]) -> list[dict[str, Any]]:
    """Everything, every round of it."""
    return [
        {
            "key": table.key,
            "title": table.title,
            "measured": [
                {
                    "name": measured.name,
                    "unit": measured.unit,
                    "median": measured.median,
                    "cpu_us": measured.cpu,
                    "lost": measured.lost,
                    "samples": list(measured.samples),
                    "goals": [
                        {"text": goal.shown, "value": goal.value, "limit": goal.limit,
                         "met": goal.met}
                        for goal in measured.goals
                    ],
                }
                for measured in table.measured
            ],
        }
        for table in tables
    ]  # fmt: skip


def _cells(measured: Measured) -> tuple[str, str, str, str]:
    least, greatest = measured.spread
    lost = f", {measured.lost:,} lost" if measured.lost else ""
    return (
        measured.name + lost,
        f"{figure(measured.median)} {measured.unit}",
        f"{figure(least)} to {figure(greatest)}" if len(measured.samples) > 1 else "1",
        "" if measured.cpu is None else figure(measured.cpu),
    )
