"""Whatever handlers raise, and however they block, the broker gets its acknowledgements."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from dskity.bus.message import Message
from dskity.handlers import RetryPolicy
from tests.contract.box import box
from tests.contract.house import House
from tests.handlers.test_base_exceptions import MAKERS
from tests.waiting import until


@pytest.mark.needs("redelivery", "persistent")
async def test_what_raises_anything_is_acknowledged_and_so_is_what_came_behind_it(
    house: House, tmp_path: Path
) -> None:
    """The next process gets none of it again."""
    handled: list[bytes] = []

    async def work(message: Message) -> None:
        if message.payload in kinds:
            if len(message.payload) % 2:
                await asyncio.sleep(0)
            maker = kinds[message.payload]
            raise maker()
        handled.append(message.payload)

    kinds = {name.encode(): maker for name, maker in MAKERS.items()}
    retry = RetryPolicy(attempts=2, backoff=0)
    async with box(house, tmp_path) as first:
        await first.bus.subscribe("work/+", work, retry=retry)
        await first.ready()
        sender = await house.connected("sender")
        for name in kinds:
            await sender.publish("work/a", name)
            await sender.publish("work/a", b"behind")
            await sender.publish("work/b", b"beside")
        await until(lambda: len(handled) == 2 * len(kinds), "the others are handled")
        await until(lambda: first.dispatcher.in_flight.messages == 0, "all have an end")
        assert first.dispatcher.routes[0].stats.dead_lettered == len(kinds)
    async with box(house, tmp_path) as second:
        await second.bus.subscribe("work/+", work)
        await second.ready()
        await sender.publish("work/end", b"end")
        await until(lambda: handled[-1] == b"end", "the next process is there")
        assert second.bus.counters.received == 1
        assert len(handled) == 2 * len(kinds) + 1


@pytest.mark.needs("redelivery", "persistent")
async def test_what_is_in_a_thread_at_the_end_comes_again(house: House, tmp_path: Path) -> None:
    """And the end does not wait for the thread."""
    opened, begun = threading.Event(), list[bytes]()

    def work(message: Message) -> None:
        begun.append(message.payload)
        opened.wait(20)

    async with box(house, tmp_path) as first:
        await first.bus.subscribe("work/+", work)
        await first.ready()
        sender = await house.connected("sender")
        await sender.publish("work/a", b"1")
        await until(lambda: begun == [b"1"], "it is in a thread")
        await asyncio.wait_for(first.stop(), 10)
    opened.set()
    async with box(house, tmp_path) as second:
        await second.bus.subscribe("work/+", work)
        await second.ready()
        await until(lambda: begun == [b"1", b"1"], "the next process has it")
