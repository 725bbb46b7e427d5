"""The results, as a table for people or as JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from dskity.demo.finding import Result


def print_table(title: str, results: Sequence[Result]) -> None:
    """A row for each check."""
    table = Table(title=title, box=None, pad_edge=False, title_justify="left")
    table.add_column("")
    table.add_column("check")
    for column in ("count", "p50 ms", "p99 ms"):
        table.add_column(column, justify="right")
    table.add_column("", style="dim", overflow="ellipsis", no_wrap=True)
    for result in results:
        table.add_row(*_row(result))
    console = Console(highlight=False)
    console.print(table)
    failed = [result.name for result in results if not result.passed]
    verdict = f"[red]failed: {', '.join(failed)}" if failed else f"[green]all {len(results)} hold"
    console.print(verdict)


def _row(result: Result) -> tuple[str, ...]:
    finding = result.finding
    if finding is None:
        return ("[red]✗", f"[red]{result.name}", "", "", "", f"[red]{result.reason}")
    figures = (_figure(finding.percentile(50)), _figure(finding.percentile(99)))
    return ("[green]✓", result.name, str(finding.count), *figures, finding.note)


def _figure(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{milliseconds:.1f}"


def print_json(about: dict[str, Any], results: Sequence[Result]) -> None:
    """One object, on one line."""
    passed = all(result.passed for result in results)
    body = {"ok": passed, **about, "checks": [_shown(result) for result in results]}
    Console().print_json(json.dumps(body), indent=None)


def _shown(result: Result) -> dict[str, Any]:
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
