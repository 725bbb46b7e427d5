"""Waiting for a fact instead of sleeping for a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_PAUSE = 0.005  # seconds between two looks: threads and servers need real time to get there


async def until(condition: Callable[[], object], what: str, within: float = 10.0) -> None:
    """Return once `condition()` is true; fail with `what` was awaited after `within` seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while not condition():
        if loop.time() > deadline:
            raise AssertionError(f"not within {within:g} s: {what}")
        await asyncio.sleep(_PAUSE)
