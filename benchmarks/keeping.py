"""Where results go: a file of JSON each run, and the figures in docs/performance.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figures import Table
from benchmarks.harness import ROOT
from benchmarks.machine import machine, versions
from benchmarks.report import as_json, markdown

RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "performance.md"
_BEGIN, _END = "<!-- figures: begin -->", "<!-- figures: end -->"


def write_json(command: str, tables: Sequence[Table]) -> Path:
    """Keep the run; where."""
    now = datetime.now(UTC)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{now:%Y%m%dT%H%M%SZ}.json"
    run = {
        "command": command,
        "time": now.isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "tables": as_json(tables),
    }
    path.write_text(json.dumps(run, indent=1))
    return path


def write_docs(command: str, tables: Sequence[Table]) -> None:
    """Renew the figures between the markers of the page; what else it says stays."""
    text = PAGE.read_text()
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    shown = "\n\n".join((_circumstances(command, versions()), *map(markdown, tables)))
    PAGE.write_text(f"{before}{_BEGIN}\n\n{shown}\n\n{_END}{after}")


def _circumstances(command: str, used: Mapping[str, str]) -> str:
    date = datetime.now(UTC).date().isoformat()
    names = ", ".join(f"{name} {version}" for name, version in used.items())
    return f"`{command}` on {date}: {machine()}; {names}."
