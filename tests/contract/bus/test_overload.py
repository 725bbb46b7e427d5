"""More than the handlers can take: order, bounds, and what passes all the same."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from pathlib import Path

import pytest

from dskity.handlers.in_flight import Overload
from tests.contract.box import box
from tests.contract.house import House
from tests.waiting import until

BOUND = 8


async def test_a_slow_key_holds_up_no_other_and_a_full_intake_no_reply(
    house: House, tmp_path: Path
) -> None:
    """Messages of one key stay in order; the bound is never passed, and the rest waits."""
    handled: defaultdict[str, list[int]] = defaultdict(list)
    most = 0
    gate = asyncio.Event()

    async def work(device: str, number: str) -> None:
        nonlocal most
        most = max(most, one.dispatcher.in_flight.messages)
        if device == "slow":
            await gate.wait()
        handled[device].append(int(number))

    async def answer() -> str:
        return "here"

    async with (
        box(house, tmp_path, "box", max_in_flight=BOUND) as one,
        box(house, tmp_path, "far") as far,
    ):
        await one.bus.subscribe("work/{device}/{number}", work, order_by="device")
        await far.bus.subscribe("ask", answer)
        await one.ready()
        await far.ready()
        for device, number in (("slow", 0), ("a", 0), ("b", 0), ("a", 1), ("b", 1)):
            await far.bus.publish(f"work/{device}/{number}")
        await until(lambda: handled == {"a": [0, 1], "b": [0, 1]}, f"all but the slow: {handled}")
        for number in range(1, 40):
            await far.bus.publish(f"work/slow/{number}")
        await until(lambda: one.dispatcher.in_flight.paused, "the intake is full")
        assert (await one.bus.request("ask")).text() == "here"
        assert not handled["slow"]
        gate.set()
        await until(lambda: len(handled["slow"]) == 40, f"all: {handled}")
        assert handled["slow"] == list(range(40))
        assert most <= BOUND


@pytest.mark.parametrize("overload", ["wait", "drop_oldest"])
async def test_too_much_of_qos_0_waits_or_makes_room_for_the_newest(
    house: House, tmp_path: Path, overload: Overload
) -> None:
    """And what made room is counted."""
    handled: list[int] = []
    gate = asyncio.Event()

    async def work(payload: bytes) -> None:
        await gate.wait()
        handled.append(int(payload))

    async with box(house, tmp_path, max_in_flight=BOUND, overload=overload) as one:
        await one.bus.subscribe("burst", work, qos=0)
        await one.ready()
        sender = await house.connected("sender")
        for number in range(60):
            await sender.publish("burst", str(number).encode(), qos=0)
        [route] = one.dispatcher.routes
        if overload == "wait":
            await until(lambda: one.dispatcher.in_flight.paused, "the intake is full")
        else:
            await until(lambda: one.bus.counters.received == 60, "all have come")
        gate.set()
        await until(lambda: len(handled) + route.stats.shed == 60, f"all: {handled}")
        assert handled == sorted(handled)
        assert handled[-1] == 59
        assert (route.stats.shed > 0) == (overload == "drop_oldest")
