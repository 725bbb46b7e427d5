"""Five hundred reconnects: nothing of them stays behind."""

from __future__ import annotations

import asyncio
import gc
import logging
from pathlib import Path

import pytest

from dskity.broker.aiomqtt.wire import AiomqttWire
from dskity.broker.connection.client_id_conflict import LASTED
from dskity.broker.settings import ConnectionSettings
from dskity.broker.transport import MqttTransport
from dskity.bus.base.clock import VirtualClock
from dskity.bus.delivery import Delivery
from dskity.bus.link import Link
from dskity.bus.message import Message
from tests.broker.odd import SUBSCRIBE, OddBroker
from tests.broker.raw import publish
from tests.faults import frames
from tests.servers import HOST
from tests.waiting import until

LANES = ("box", "box-ctl")
TIMES, WARM = 500, 50
GROWTH = 250
"""Objects. Fewer than one a reconnect: what is left behind by each would be 450 or more. The loop
keeps up to 100 cancelled timers, each with its context."""


def _figures() -> tuple[int, int, int]:
    """Tasks, file descriptors, objects."""
    gc.collect()
    tasks = len(asyncio.all_tasks())
    return tasks, len(list(Path("/proc/self/fd").iterdir())), len(gc.get_objects())


@pytest.mark.slow
async def test_500_reconnects_leave_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    """Tasks, files and objects are as many as after the first 50; the subscriptions are in place,
    and what is published arrives."""
    caplog.set_level(logging.CRITICAL, "dskity.mqtt")  # pytest keeps each line of a loss
    clock, got = VirtualClock(), []

    def receive(delivery: Delivery) -> None:
        got.append(delivery.topic)
        delivery.done()

    async with OddBroker().opened() as broker:
        transport = MqttTransport(
            ConnectionSettings(f"mqtt://{HOST}:{broker.port}", "box"), AiomqttWire, clock
        )
        await transport.subscribe("t/#", 1, 1)
        await transport.subscribe("c/#", 1, 2, "control")
        await transport.start(receive, Link())

        async def up() -> None:
            async with asyncio.timeout(20):
                while not transport.connected:
                    await clock.advance(1.0)  # a lane that waits begins anew
                    await asyncio.sleep(0.001)

        async def again() -> None:
            await clock.advance(LASTED)  # that no other client is suspected
            for line in broker.lines:
                line.hang_up()
            broker.lines.clear()
            await until(lambda: not transport.connected, "the loss is noticed")
            await up()

        try:
            await up()
            for _ in range(WARM):
                await again()
            before = _figures()
            for _ in range(TIMES - WARM):
                await again()
            await until(lambda: broker.open == len(LANES), "the last lines are gone")
            after = _figures()
            for lane, topic in zip(LANES, (b"t/1", b"c/1"), strict=True):
                (line,) = broker.of(lane)
                assert [frames.kind(each) for each in line.came].count(SUBSCRIBE) == 1
                line.send(publish(5, topic, b"x"))
            await until(lambda: sorted(got) == ["c/1", "t/1"], f"both lanes: {got}")
            assert await transport.publish(Message("x", b"", 1)) is not False
        finally:
            await transport.close()
    assert after[:2] == before[:2]
    assert after[2] - before[2] < GROWTH
