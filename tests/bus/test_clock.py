"""The virtual clock moves only when it is told to."""

from __future__ import annotations

import asyncio

from dskity.bus.clock import VirtualClock


async def test_sleepers_wake_at_their_own_moments_in_order() -> None:
    clock = VirtualClock()
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic()))

    async with asyncio.TaskGroup() as group:
        group.create_task(sleeper("late", 2))
        group.create_task(sleeper("early", 1))
        await clock.advance(0.5)
        assert woken == []
        await clock.advance(5)
        assert woken == [("early", 1.0), ("late", 2.0)]
    assert clock.time() - VirtualClock().time() == 5.5
