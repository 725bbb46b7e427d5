"""Waiting for journals to tell what is awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from tests.faults.journal import Ledger

PATIENCE = 15.0
"""Seconds without any progress after which what is missing counts as lost."""
_POLL = 0.005


async def reaches(figure: Callable[[], int], goal: int, within: float = 30.0) -> None:
    """Return once `figure()` is at least `goal`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while figure() < goal:
        if loop.time() > deadline:
            raise AssertionError(f"{figure()} of {goal} after {within:g} s")
        await asyncio.sleep(_POLL)


async def settles(
    accepted: Collection[int], *ledgers: Ledger, patience: float | None = None
) -> set[int]:
    """Return when all that was accepted is in one of the ledgers, or nothing comes any more;
    what is missing."""
    patience = PATIENCE if patience is None else patience
    loop = asyncio.get_running_loop()
    wanted = set(accepted)
    lines, deadline = -1, 0.0
    while True:
        now = sum(ledger.update().lines for ledger in ledgers)
        if now != lines:
            lines, deadline = now, loop.time() + patience
            missing = wanted.difference(*(ledger.counts for ledger in ledgers))
            if not missing:
                return missing
        elif loop.time() > deadline:
            return missing
        await asyncio.sleep(_POLL)
