"""More waits at the broker than handlers may have: what they wait for comes all the same."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from dskity.bus.inbound import hold as holding
from tests.contract.box import Box, box
from tests.contract.house import Client, House
from tests.waiting import until

pytestmark = pytest.mark.needs("persistent", "redelivery", "long queues")
_LONG = pytest.mark.slow  # with 2,000 messages


async def leave_behind(house: House, folder: Path, filters: list[str], topics: list[str]) -> Client:
    """A session that has the filters, with a message queued on each of the topics."""

    async def nothing() -> None:
        pass

    async with box(house, folder) as first:
        for filter in filters:
            await first.bus.subscribe(filter, nothing)
        await first.ready()
    sender = await house.connected("sender", max_in_flight=500)
    for at in range(0, len(topics), 500):
        await asyncio.gather(
            *(
                sender.publish(topic, topic.rpartition("/")[2].encode())
                for topic in topics[at : at + 500]
            )
        )
    return sender


@pytest.mark.parametrize("queued", [1_050, pytest.param(5_000, marks=pytest.mark.slow)])
async def test_a_start_with_more_waiting_than_the_bound_is_ready(
    house: House, tmp_path: Path, queued: int
) -> None:
    """Its handlers are slow, and it subscribes to another filter after that: SUBACK comes."""
    handled: Counter[int] = Counter()
    gate = asyncio.Event()

    async def work(payload: bytes) -> None:
        await gate.wait()
        handled[int(payload)] += 1

    async def more() -> None:
        handled[-1] += 1

    least = 20 if house.cell.broker == "mosquitto-3.1.1" else 1_000  # its window, or our bound
    sender = await leave_behind(
        house, tmp_path, ["work/#"], [f"work/{number}" for number in range(queued)]
    )
    async with box(house, tmp_path) as second:
        await second.bus.subscribe("work/#", work)
        await second.ready()
        await until(lambda: second.dispatcher.in_flight.messages >= least, "all that may come has")
        async with asyncio.timeout(10):
            late = await second.bus.subscribe("more/+", more)
            other = await second.bus.subscribe("other", more)
            await other.cancel()
        await sender.publish("more/1")
        assert not handled
        gate.set()
        await until(lambda: handled.total() == queued + 1, "all, and the one of the late filter")
        assert set(handled.values()) == {1}
        assert late.filter == "more/+"


async def test_a_reconnect_with_more_waiting_than_the_bound_comes_to_its_end(
    house: House, tmp_path: Path
) -> None:
    """The bound is full, the line breaks, and a filter is added meanwhile."""
    handled: Counter[int] = Counter()
    gate = asyncio.Event()

    async def work(payload: bytes) -> None:
        await gate.wait()
        handled[int(payload)] += 1

    sender = await leave_behind(
        house, tmp_path, ["work/#"], [f"work/{number}" for number in range(1_500)]
    )
    async with box(house, tmp_path, max_in_flight=10) as second:
        await second.bus.subscribe("work/#", work)
        await second.ready()
        await until(lambda: second.dispatcher.in_flight.paused, "the bound is reached")
        await second.leave()
        await second.bus.subscribe("late", work)
        await second.come_back()
        await sender.publish("late", b"-1")
        gate.set()
        await until(lambda: len(handled) == 1_501, "all")


@pytest.mark.parametrize("bound", ["messages", "bytes"])
async def test_what_cannot_be_held_while_an_answer_is_awaited_comes_again(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    """Memory has an end: beyond it messages are let go, the connection is made again, and all comes
    in order, each once. A broker in this process ends the old connection before the last handlers
    are done, so what they had in hand may come twice."""
    monkeypatch.setattr(
        holding, *{"messages": ("MOST_TAKEN", 20), "bytes": ("MOST_TAKEN_BYTES", 60)}[bound]
    )
    monkeypatch.setattr(holding, "MOST_HELD", 10)
    handled: list[int] = []
    gate = asyncio.Event()

    async def work(payload: bytes) -> None:
        await gate.wait()
        handled.append(int(payload))

    await leave_behind(
        house, tmp_path, ["work/#", "same"], [f"work/{number}" for number in range(300)]
    )
    async with box(house, tmp_path, max_in_flight=5) as second:
        await second.bus.subscribe("work/#", work, order_by=None, concurrency=1)
        await second.ready()
        await until(lambda: second.dispatcher.in_flight.paused, "the bound is reached")
        async with asyncio.timeout(10):
            await second.bus.subscribe("more", work)
        assert (
            len(second.bus._inbound.hold) <= 40
        )  # a byte for each of the first ten, two for each of the others
        gate.set()
        await until(lambda: len(handled) >= 300, "all 300")
        if house.cell.broker.startswith("builtin"):
            handled = list(dict.fromkeys(handled))
        assert handled == list(range(300))


@pytest.mark.parametrize(
    "bound", [pytest.param(1, marks=_LONG), 2, 10, pytest.param(1000, marks=_LONG)]
)
async def test_what_a_handler_waits_for_does_not_wait_behind_the_backlog(
    house: House, tmp_path: Path, bound: int
) -> None:
    """A request, a stream's message and SUBACK, at any bound, with up to 2,000 messages behind."""
    done: Counter[str] = Counter()

    async def double(payload: bytes) -> bytes:
        return payload * 2

    async def asks(one: str) -> None:
        assert (await second.bus.request("double", one.encode())).payload == one.encode() * 2
        done[f"ask/{one}"] += 1

    async def watches(one: str) -> None:
        async with second.bus.stream(f"seen/{one}", qos=1) as messages:
            await second.bus.publish(f"seen/{one}", one)
            async for message in messages:
                assert message.text() == one
                break
        done[f"watch/{one}"] += 1

    async def subscribes(one: str) -> None:
        subscription = await second.bus.subscribe(f"new/{one}", double)
        await subscription.cancel()
        done[f"sub/{one}"] += 1

    handlers = {"ask": asks, "watch": watches, "sub": subscribes}
    kinds = ["ask"] * 18 + ["watch", "sub"]
    # A window of 20 with requests in it is a pause of 0.05 s for each window.
    long = bound in {1, 1000} and house.cell.broker != "mosquitto-3.1.1"
    count = 2_000 if long else 400
    topics = [f"{kinds[number % 20]}/{number}" for number in range(count)]
    await leave_behind(house, tmp_path, [f"{kind}/+" for kind in handlers], topics)
    second: Box
    async with box(house, tmp_path, max_in_flight=bound) as second:
        for kind, handler in handlers.items():
            await second.bus.subscribe(kind + "/{one}", handler)
        await second.bus.subscribe("double", double)
        await second.ready()
        await until(lambda: len(done) == count, "all are handled", 60)
        assert set(done.values()) == {1}
        [_, _, _, doubles] = second.dispatcher.routes
        await until(lambda: doubles.stats.handled == count * 9 // 10, f"each once: {doubles.stats}")
