"""The results, as a table for people or as JSON for machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from dskity.demo.finding import Result

_WIDE = 110  # columns from which the notes have room


def print_table(title: str, results: Sequence[Result]) -> None:
    """A row for each check."""
    console = Console(highlight=False)
    console.print(title, style="bold")
    wide = console.width >= _WIDE
    table = Table(box=None, pad_edge=False, expand=wide)
    table.add_column()
    table.add_column("check", no_wrap=True)
    for column in ("count", "p50 ms", "p99 ms"):
        table.add_column(column, justify="right", no_wrap=True)
    if wide:
        table.add_column("what, or from where to where", style="dim", no_wrap=True, ratio=1)
    for result in results:
        table.add_row(*_row(result)[: len(table.columns)])
    console.print(table)
    failed = [result for result in results if not result.passed]
    for result in failed:
        console.print(Text(f"{result.name}: {result.reason}", "red"))
    console.print(f"[red]{len(failed)} failed" if failed else f"[green]all {len(results)} hold")


def _row(result: Result) -> tuple[RenderableType, ...]:
    finding = result.finding
    if finding is None:
        return (Text("✗", "red"), Text(result.name, "red"), "", "", "", "")
    figures = (_figure(finding.percentile(50)), _figure(finding.percentile(99)))
    return (Text("✓", "green"), result.name, str(finding.count), *figures, Text(finding.note))


def _figure(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{milliseconds:.1f}"


def fields(result: Result) -> dict[str, Any]:
    """A result as JSON values."""
    finding = result.finding
    if finding is None:
        return {"name": result.name, "ok": False, "reason": result.reason}
    return {
        "name": result.name,
        "ok": True,
        "count": finding.count,
        "p50_ms": finding.percentile(50),
        "p99_ms": finding.percentile(99),
        "note": finding.note,
    }
