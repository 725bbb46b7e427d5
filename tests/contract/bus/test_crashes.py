"""What a process was at when it ended comes again to the next one, and nothing is handled twice
that should not be."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from dskity.bus.message import Message
from dskity.handlers import Dedupe
from tests.contract.box import Box, box
from tests.contract.cells import reason_against
from tests.contract.house import House
from tests.waiting import until


@pytest.mark.needs("redelivery", "persistent")
async def test_what_was_not_handled_comes_again_and_what_was_is_handled_once(
    house: House, tmp_path: Path
) -> None:
    """The third message hangs, and holds back the PUBACKs of those behind it: they come again, too,
    and are known by their key, though another process handled them."""
    handled: Counter[str] = Counter()
    came: list[Message] = []
    gate = asyncio.Event()

    async def work(message: Message) -> None:
        came.append(message)
        if message.topic == "work/2":
            await gate.wait()
        handled[message.topic] += 1

    async def live(one: Box) -> None:
        await one.bus.subscribe("work/+", work, dedupe=Dedupe(lambda message: message.topic))
        await one.ready()

    async with box(house, tmp_path) as first:
        await live(first)
        sender = await house.connected("sender")
        for number in range(6):
            await sender.publish(f"work/{number}")
        await until(lambda: handled.total() == 5, "all but one")
        await first.crash()
    assert handled["work/2"] == 0
    gate.set()
    async with box(house, tmp_path) as second:
        await live(second)
        await sender.publish("work/end")
        await until(lambda: handled["work/2"] and handled["work/end"], f"the rest: {handled}")
        await until(lambda: second.dispatcher.in_flight.messages == 0, "nothing is under way")
        assert handled == {f"work/{name}": 1 for name in (*range(6), "end")}
        came_again = second.bus.counters.received
        assert came_again >= 5 or house.cell.broker == "memory", "it acknowledges in any order"
    again = next(message for message in reversed(came) if message.topic == "work/2")
    assert again.duplicate or reason_against(house.cell, "marks_duplicates")
    assert not came[0].duplicate


async def test_slow_work_that_is_stored_holds_up_nobody_and_outlives_a_crash(
    house: House, tmp_path: Path
) -> None:
    """More of it than the broker's window of 20: it is acknowledged once it is on the disk."""
    gate, quick = asyncio.Event(), asyncio.Event()
    handled: list[str] = []

    async def work(message: Message) -> None:
        await gate.wait()
        handled.append(message.topic)

    async def be_quick() -> None:
        quick.set()

    async def live(one: Box) -> None:
        await one.bus.subscribe("slow/+", work, ack="stored")
        await one.bus.subscribe("quick", be_quick)
        await one.ready()

    topics = [f"slow/{number}" for number in range(45)]
    async with box(house, tmp_path) as first:
        await live(first)
        sender = await house.connected("sender")
        for topic in topics:
            await sender.publish(topic)
        await sender.publish("quick")
        await asyncio.wait_for(quick.wait(), 10)
        assert handled == []
        await first.crash()
    gate.set()
    async with box(house, tmp_path) as second:
        await live(second)
        await until(lambda: set(handled) == set(topics), f"all of them: {handled}")


@pytest.mark.needs("shared", "redelivery", "persistent")
async def test_the_crash_of_one_member_loses_no_message_of_the_group(
    house: House, tmp_path: Path
) -> None:
    """What it had goes to the other, or waits for it to come back: brokers differ in that."""
    handled: set[str] = set()
    stuck = 0

    async def work(message: Message) -> None:
        handled.add(message.topic)

    async def hang() -> None:
        nonlocal stuck
        stuck += 1
        await asyncio.Event().wait()

    async with box(house, tmp_path, "left") as left, box(house, tmp_path, "right") as right:
        await left.bus.subscribe("work/+", hang, group="crew")
        await right.bus.subscribe("work/+", work, group="crew")
        await left.ready()
        await right.ready()
        sender = await house.connected("sender")
        topics = {f"work/{number}" for number in range(20)}
        for topic in sorted(topics):
            await sender.publish(topic)
        await until(lambda: stuck + len(handled) == len(topics), f"{stuck} and {handled}")
        assert stuck, "each has a share"
        await left.crash()
        await sender.publish("work/late")
        async with box(house, tmp_path, "left") as again:
            await again.bus.subscribe("work/+", work, group="crew")
            await again.ready()
            await until(lambda: handled == topics | {"work/late"}, f"all: {handled}")
