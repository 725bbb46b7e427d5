"""`scripts/faults`: run the scenarios at full size, and say what was lost."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tests.faults.outcome import Outcome, Size
from tests.faults.soak import soak
from tests.faults.suite import SUITE, Scenario

_NUMBERS = ("accepted", "handled", "dead", "lost", "forgotten", "duplicates")
_WIDTH = 140  # columns, where the output is no terminal


def faults(
    only: Annotated[
        str, typer.Option(metavar="NAME", help="One of them, or those that begin so.")
    ] = "",
    scale: Annotated[float, typer.Option(min=0.001, help="Times as many messages.")] = 1.0,
    small: Annotated[bool, typer.Option(help="The sizes of the tests.")] = False,
    soaking: Annotated[
        bool, typer.Option("--soak", help="All faults at once, for a long time.")
    ] = False,
    minutes: Annotated[float, typer.Option(min=0.1, help="How long the soak takes.")] = 10.0,
    seed: Annotated[int, typer.Option(help="Of the order of the soak's faults.")] = 7,
) -> None:
    """Break DSkity in every way that the suite knows.

    The exit status is 1 if anything was lost or stood still.
    """
    if soaking:
        raise typer.Exit(0 if _soak(minutes * 60, seed) else 1)
    chosen = [scenario for scenario in SUITE if scenario.name.startswith(only)]
    if not chosen:
        raise typer.BadParameter(f"{only!r}: there are {', '.join(s.name for s in SUITE)}")
    logging.disable(logging.CRITICAL)  # each killing is a line
    console = Console()
    table = Table("scenario")
    for column in _NUMBERS:
        table.add_column(column, justify="right")
    for column in ("stood still", "seconds"):
        table.add_column(column, justify="right")
    table.add_column("")
    well = True
    for scenario in chosen:
        console.print(f"[dim]· {scenario.name}", highlight=False)
        outcome, seconds = _run(scenario, scale, small=small)
        well &= not outcome.lost and not outcome.stood_still and not outcome.wrong
        table.add_row(scenario.name, *_cells(outcome, seconds))
    if not console.is_terminal:
        console.width = _WIDTH
    console.print(table)
    raise typer.Exit(0 if well else 1)


def _soak(seconds: float, seed: int) -> bool:
    """Print a row for each runtime; whether all is well."""
    logging.disable(logging.CRITICAL)  # each killing is a line
    columns = ("runtime", *_NUMBERS, "stood still", "MiB", "files", "")
    table = Table(*columns)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        rows = asyncio.run(soak(Path(folder), seconds, seed))
    for row in rows:
        *numbers, _, note = _cells(row.outcome, seconds)
        memory, files = (f"{before} → {after}" for before, after in (row.memory, row.files))
        table.add_row(row.name, *numbers, memory, files, note)
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH
    console.print(table)
    outcomes = [row.outcome for row in rows]
    return not any(each.lost or each.stood_still or each.wrong for each in outcomes)


def _run(scenario: Scenario, scale: float, *, small: bool) -> tuple[Outcome, float]:
    size = (scenario.small if small else scenario.full).times(scale)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        try:
            outcome = asyncio.run(_awaited(scenario, size, Path(folder)))
        except Exception as error:  # noqa: BLE001  # a row that tells it, and then the others
            outcome = Outcome(0, 0, 0, 0, wrong=(f"{type(error).__name__}: {error}",))
    return outcome, time.monotonic() - began


async def _awaited(scenario: Scenario, size: Size, folder: Path) -> Outcome:
    return await scenario.run(size, folder)


def _cells(outcome: Outcome, seconds: float) -> list[str]:
    counts = (
        outcome.accepted,
        outcome.handled,
        outcome.dead,
        outcome.lost,
        outcome.forgotten,
        outcome.duplicates,
    )
    return [
        *(f"{count:,}" for count in counts),
        f"{outcome.stood_still:.1f}",
        f"{seconds:.0f}",
        "; ".join((*outcome.wrong, outcome.note)),
    ]


if __name__ == "__main__":
    typer.run(faults)
