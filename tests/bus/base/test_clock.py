"""The virtual clock moves only when it is told to."""

from __future__ import annotations

import asyncio

from dskity.bus.base.clock import VirtualClock


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


async def test_a_time_out_of_the_clock_ends_its_block_at_its_own_moment() -> None:
    clock = VirtualClock()
    ended: list[str] = []

    async def limited(name: str, seconds: float | None) -> None:
        try:
            async with clock.timeout(seconds):
                await clock.sleep(5)
        except TimeoutError:
            ended.append(f"{name} timed out at {clock.monotonic():g}")
        else:
            ended.append(f"{name} ended at {clock.monotonic():g}")

    async with asyncio.TaskGroup() as group:
        for name, seconds in (("long", 9), ("short", 2), ("free", None)):
            group.create_task(limited(name, seconds))
        await clock.advance(20)
    assert ended == ["short timed out at 2", "long ended at 5", "free ended at 5"]
