"""Waiting for a fact instead of sleeping for a time."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable

_PAUSE = 0.005  # seconds between two looks: threads and servers need real time to get there


async def until(condition: Callable[[], object], what: str, within: float = 10.0) -> None:
    """Return once `condition()` is true; fail with `what` was awaited after `within` seconds.

    The condition may be `async`: what it returns is awaited, within the same time.
    """
    try:
        async with asyncio.timeout(within) as limit:
            while not await _holds(condition):  # noqa: ASYNC110  # no event tells of any fact
                await asyncio.sleep(_PAUSE)
    except TimeoutError:
        if not limit.expired():
            raise  # the condition's own
        raise AssertionError(f"not within {within:g} s: {what}") from None


async def _holds(condition: Callable[[], object]) -> object:
    answer = condition()
    return await answer if inspect.isawaitable(answer) else answer
