"""Publishing while the line is cut, and lists of brokers."""

from __future__ import annotations

from pathlib import Path

import pytest

from dskity.bus.errors import NotConnected
from dskity.bus.message import Receipt
from tests.contract.box import Box, box
from tests.contract.cells import Cell
from tests.contract.house import House, open_house
from tests.servers import HOST, tcp_proxy
from tests.waiting import until


async def _kept(one: Box, topic: str, payload: bytes = b"", **words: object) -> Receipt:
    receipt = await one.bus.publish(topic, payload, **words)  # type: ignore[arg-type]  # its own
    assert receipt.accepted == "outbox"
    return receipt


async def test_what_is_published_offline_leaves_in_order_also_by_the_next_process(
    house: House, tmp_path: Path
) -> None:
    """Without what has expired, and of what is retained only the newest."""
    watcher = await house.connected("watcher")
    for number, filter in enumerate(("out/#", "state/#"), start=1):
        await watcher.transport.subscribe(filter, 1, number)
    async with box(house, tmp_path) as first:
        await first.ready()
        assert (await first.bus.publish("out/a", b"before")).accepted == "broker"
        await first.leave()
        with pytest.raises(NotConnected):
            await first.bus.publish("out/a", qos=0)
        for number in range(20):
            await _kept(first, f"out/{'ab'[number % 2]}", str(number).encode())
        await _kept(first, "out/never", expires_in=0.001)
        for state in (b"old", b"older", b"new"):
            await _kept(first, "state/x", state, retain=True)
        await first.stop()
    async with box(house, tmp_path, away=True) as second:
        second.bus.open()
        await _kept(second, "out/a", b"after")
        await second.come_back()
        await watcher.got(23)
        await until(lambda: second.bus.outbox is not None and second.bus.outbox.empty, "it empties")
        assert (await second.bus.publish("out/b", b"end")).accepted == "broker"
        await watcher.got(24)
    by_topic = {
        topic: [d.payload for d in watcher.deliveries if d.topic == topic]
        for topic in {d.topic for d in watcher.deliveries}
    }
    evens, odds = ([str(n).encode() for n in range(start, 20, 2)] for start in (0, 1))
    assert by_topic == {
        "out/a": [b"before", *evens, b"after"],
        "out/b": [*odds, b"end"],
        "state/x": [b"new"],
    }


@pytest.mark.needs("a network")
async def test_the_next_one_of_a_list_takes_over(cell: Cell, tmp_path: Path) -> None:
    """Two doors of one broker, as a cluster has them: what waits there comes by the other one, and
    so does what waits here."""
    async with open_house(cell) as house, tcp_proxy(house.broker.port) as door:
        other = await house.client("unused")
        assert other.proxy is not None
        urls = tuple(f"mqtt://{HOST}:{port}" for port in (door.port, other.proxy.port))
        handled: list[bytes] = []

        async def work(payload: bytes) -> None:
            handled.append(payload)

        async with box(house, tmp_path, url=urls) as one:
            await one.bus.subscribe("work", work)
            await one.ready()
            await one.bus.publish("work", b"first door")
            await until(lambda: handled, "it is handled")
            assert other.proxy.accepted == 0
            door.refuse()
            door.cut()
            await until(lambda: not one.bus.connected, "the loss is noticed")
            await one.bus.publish("work", b"meanwhile")
            await until(lambda: b"meanwhile" in handled, "it arrives")
            assert other.proxy.accepted > 0
