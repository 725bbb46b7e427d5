"""A runtime between two brokers of a cell, one of which it cannot reach for a while."""

from __future__ import annotations

from pathlib import Path

import pytest
from blockbuster import BlockBuster

from dskity.bootstrap import start
from tests.bridge.sites import RULE, settings
from tests.contract.cells import Cell
from tests.contract.house import open_house
from tests.waiting import until

ALONE = {name: {"enabled": False} for name in ("kv", "commands", "dead-letters", "ops")}
BACK = {"from": "cloud", "to": "default", "filter": "down/#"}


@pytest.fixture
def watched_loop(watched_loop: BlockBuster) -> BlockBuster:
    """As everywhere, but that a start reads files and imports modules: nothing is served yet."""
    for function in watched_loop.functions.values():
        function.can_block_in("dskity/bootstrap.py", {"start"})
    return watched_loop


async def test_messages_are_carried_in_order_and_wait_for_the_other_side(
    cell: Cell, tmp_path: Path
) -> None:
    """Each connection by its name, with an outbox of its own."""
    async with open_house(cell) as edge, open_house(cell) as cloud:
        machine, watcher = await edge.connected("machine"), await cloud.connected("watcher")
        await machine.transport.subscribe("down/#", 1, 1)
        await watcher.transport.subscribe("up/#", 1, 1)
        near, far = await edge.client("box"), await cloud.client("box-cloud")
        async with await start(
            settings(tmp_path, [RULE, BACK], modules=ALONE),
            transport=near.transport,
            transports={"cloud": far.transport},
        ) as runtime:
            there = runtime.bus.connection("cloud")
            await runtime.bus.link.wait_connected(10)
            await there.link.wait_connected(10)
            await watcher.publish("down/x", b"back")
            for number in range(10):
                await machine.publish(f"up/{number % 2}", str(number).encode())
            await watcher.got(10)
            await machine.got(1)
            carried = runtime.core.connections["cloud"].dispatcher.in_flight
            await until(lambda: carried.messages == 0, "what was carried is acknowledged")
            far.unplug()
            await until(lambda: not there.connected, "the loss is noticed")
            assert runtime.bus.connected
            for number in range(10, 20):
                await machine.publish(f"up/{number % 2}", str(number).encode())
            outbox = there.outbox
            assert outbox is not None
            await until(lambda: outbox.spool.messages == 10, "they wait on the disk")
            far.plug_in()
            await watcher.got(20)
    for topic in ("up/0", "up/1"):
        came = [int(d.payload) for d in watcher.deliveries if d.topic == topic]
        assert came == list(range(int(topic[-1]), 20, 2))
    # Once, or twice where the cut was faster than the acknowledgement: QoS 1 is at least once.
    assert machine.payloads in ([b"back"], [b"back", b"back"])
