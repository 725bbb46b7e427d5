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

from tests.faults import tables
from tests.faults.outcome import Outcome, Pause, Size
from tests.faults.soaking.soak import soak
from tests.faults.suite import SUITE, Scenario


def faults(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Scenarios, or what their names begin with."),
    ] = None,
    scale: Annotated[float, typer.Option(min=0.001, help="Times as many messages.")] = 1.0,
    small: Annotated[bool, typer.Option(help="The sizes of the tests.")] = False,
    soaking: Annotated[
        bool, typer.Option("--soak", help="All faults at once, for a long time.")
    ] = False,
    minutes: Annotated[float, typer.Option(min=0.1, help="How long the soak takes.")] = 10.0,
    seed: Annotated[int, typer.Option(help="Of the soak's faults.")] = 7,
) -> None:
    """Break DSkity in every way that the suite knows.

    The exit status is 1 if anything was lost, stood still or was wrong.
    """
    logging.disable(logging.CRITICAL)  # each killing is a line
    outcomes = _soak(minutes * 60, seed) if soaking else _suite(names or [""], scale, small=small)
    raise typer.Exit(0 if all(outcome.well for outcome in outcomes) else 1)


def _suite(names: list[str], scale: float, *, small: bool) -> list[Outcome]:
    chosen = [scenario for scenario in SUITE if scenario.name.startswith(tuple(names))]
    if not chosen:
        raise typer.BadParameter(f"{names}: there are {', '.join(s.name for s in SUITE)}")
    console = Console()
    rows = []
    for scenario in chosen:
        console.print(f"[dim]· {scenario.name}", highlight=False)
        rows.append((scenario.name, *_run(scenario, scale, small=small)))
    tables.show(tables.of_scenarios(rows))
    return [outcome for _, outcome, _ in rows]


def _soak(seconds: float, seed: int) -> list[Outcome]:
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        rows = asyncio.run(soak(Path(folder), seconds, seed))
    tables.show(tables.of_soak(rows))
    return [row.outcome for row in rows]


def _run(scenario: Scenario, scale: float, *, small: bool) -> tuple[Outcome, float]:
    size = (scenario.small if small else scenario.full).times(scale)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        try:
            outcome = asyncio.run(_awaited(scenario, size, Path(folder)))
        except Exception as error:  # noqa: BLE001  # a row that tells it, and then the others
            wrong = (f"{type(error).__name__}: {error}",)
            outcome = Outcome(0, 0, 0, 0, Pause(0.0, 0.0), wrong=wrong)
    return outcome, time.monotonic() - began


async def _awaited(scenario: Scenario, size: Size, folder: Path) -> Outcome:
    return await scenario.run(size, folder)


if __name__ == "__main__":
    typer.run(faults)
