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
from tests.faults.suite import SUITE, Scenario

_NUMBERS = ("accepted", "handled", "dead", "lost", "forgotten", "duplicates", "seconds")
_WIDTH = 140  # columns, where the output is no terminal


def faults(
    only: Annotated[
        str, typer.Option(metavar="NAME", help="One of them, or those that begin so.")
    ] = "",
    scale: Annotated[float, typer.Option(min=0.001, help="Times as many messages.")] = 1.0,
    small: Annotated[bool, typer.Option(help="The sizes of the tests.")] = False,
) -> None:
    """Break DSkity in every way that the suite knows; exit with 1 if anything was lost."""
    chosen = [scenario for scenario in SUITE if scenario.name.startswith(only)]
    if not chosen:
        raise typer.BadParameter(f"{only!r}: there are {', '.join(s.name for s in SUITE)}")
    logging.disable(logging.CRITICAL)  # each killing is a line
    console = Console()
    table = Table("scenario")
    for column in _NUMBERS:
        table.add_column(column, justify="right")
    table.add_column("")
    well = True
    for scenario in chosen:
        console.print(f"[dim]· {scenario.name}", highlight=False)
        outcome, seconds = _run(scenario, scale, small=small)
        well &= not outcome.lost and not outcome.wrong
        table.add_row(scenario.name, *_cells(outcome, seconds))
    if not console.is_terminal:
        console.width = _WIDTH
    console.print(table)
    raise typer.Exit(0 if well else 1)


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
        f"{seconds:.0f}",
        "; ".join((*outcome.wrong, outcome.note)),
    ]


if __name__ == "__main__":
    typer.run(faults)
