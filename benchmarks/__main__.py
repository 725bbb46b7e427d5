"""`scripts/bench`: measure, show, and keep."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Annotated, TypeAlias

import typer
from rich.console import Console

from benchmarks.figures import Table
from benchmarks.keeping import write_docs, write_json
from benchmarks.options import QUICK, Options
from benchmarks.report import grid
from benchmarks.rows import (
    brokers,
    consuming,
    dedupe,
    doors,
    group,
    inbox,
    kv,
    memory,
    middleware,
    ordering,
    outbox,
    requests,
    routes,
    start,
)

Row: TypeAlias = Callable[[Options], Awaitable[Table]]

ROWS: dict[str, Row] = {
    "qos0": partial(consuming.run, qos=0),
    "qos1": partial(consuming.run, qos=1),
    "memory": memory.run,
    "routes": routes.run,
    "request": requests.run,
    "outbox": outbox.run,
    "inbox": inbox.run,
    "dedupe": dedupe.run,
    "order": ordering.run,
    "middleware": middleware.run,
    "group": group.run,
    "start": start.run,
    "http": doors.run_http,
    "kv": kv.run,
    "brokers": brokers.run,
    "grpc": doors.run_grpc,
}


Only = Annotated[str, typer.Option(metavar="ROWS", help=f"Some of them: {', '.join(ROWS)}.")]
Rounds = Annotated[int | None, typer.Option(min=1, help="Each is measured so often, in turn.")]
Messages = Annotated[int | None, typer.Option(min=1000, help="For the fastest consumer.")]
Keys = Annotated[int | None, typer.Option(min=1000, help="Keys that expire.")]
Quick = Annotated[bool, typer.Option("--quick", help="One short round, to see that it works.")]
Docs = Annotated[bool, typer.Option("--write-docs", help="Renew docs/performance.md.")]


def bench(
    only: Only = "",
    rounds: Rounds = None,
    messages: Messages = None,
    keys: Keys = None,
    quick: Quick = False,
    docs: Docs = False,
) -> None:
    """Measure DSkity beside what else one could use; the goals are those of the design."""
    given = {"rounds": rounds, "messages": messages, "keys": keys}
    options = replace(
        QUICK if quick else Options(), **{name: value for name, value in given.items() if value}
    )
    names = _names(only)
    tables = asyncio.run(_measure(names, options))
    console = Console(width=None if sys.stdout.isatty() else 120)
    for table in tables:
        console.print(grid(table))
    command = shlex.join(("scripts/bench", *sys.argv[1:]))
    console.print(f"written to {write_json(command, tables)}")
    if docs:
        write_docs(command, tables)


def _names(only: str) -> list[str]:
    names = [name.strip() for name in only.split(",")] if only else list(ROWS)
    for name in names:
        if name not in ROWS:
            raise typer.BadParameter(f"no row {name!r}: there are {', '.join(ROWS)}")
    return names


async def _measure(names: list[str], options: Options) -> list[Table]:
    tables = []
    for name in names:
        print(f"{name}:", file=sys.stderr, flush=True)
        tables.append(await ROWS[name](options))
    return tables


if __name__ == "__main__":
    typer.run(bench)
