"""Modules that want shared subscriptions, on the real broker that has none."""

from __future__ import annotations

import contextlib
from pathlib import Path

from dskity.broker.engines.amqtt.engine import AmqttBroker
from dskity.broker.engines.listen import Listen
from tests.doctor.test_at_start import FIX, has_plain
from tests.engines.device import device
from tests.runtime.house import House, on_broker, started, write_module
from tests.servers import free_port
from tests.waiting import until

WORKER = """
    from dskity.modules import Module, ModuleMeta, on

    class {name}(Module):
        meta = ModuleMeta("{name}")

        def __init__(self) -> None:
            self.handled = []

        @on("work/item", group="crew"{more})
        async def work(self, item: bytes) -> None:
            self.handled.append(item)
"""


async def test_a_runtime_on_amqtt(tmp_path: Path) -> None:
    """The real broker, there from the start."""
    write_workers(tmp_path)
    async with started(tmp_path, broker={"engine": "amqtt", "port": 0}) as house:
        states = house.runtime.supervisor.states()
        assert (states["Keen"].state, states["Easy"].state) == ("failed", "started")
        assert FIX in states["Keen"].reason
        await easy_handles(house, house.broker_port)


async def test_a_runtime_whose_amqtt_comes_later(tmp_path: Path) -> None:
    """Readiness tells of the quarantine."""
    write_workers(tmp_path)
    broker = AmqttBroker(Listen(port=free_port()))
    port = int(broker.url.rpartition(":")[2])
    async with started(tmp_path, common=on_broker(port)) as house:
        states = house.runtime.supervisor.states
        assert states()["Keen"].state == "started"
        await broker.start()
        try:
            await until(lambda: states()["Keen"].state == "quarantined", "the quarantine")
            assert FIX in (await house.unready())["module:Keen"]
            await until(lambda: has_plain(house.runtime.bus), "the plain subscription")
            await easy_handles(house, port)
        finally:
            await broker.stop()


def write_workers(folder: Path) -> None:
    write_module(folder, "keen.py", WORKER.format(name="Keen", more=""))
    write_module(folder, "easy.py", WORKER.format(name="Easy", more=", best_effort=True"))


async def easy_handles(house: House, port: int) -> None:
    """A device's retained message comes to the module that does without its group."""
    await _publish(port)
    [easy] = [route for route in house.runtime.core.dispatcher.routes if "Easy" in route.name]
    await until(lambda: easy.stats.handled >= 1, "the message")


async def _publish(port: int) -> None:
    """amqtt may end a client that connects while another one subscribes: it connects again."""
    for _ in range(3):
        with contextlib.suppress(AssertionError):
            async with device(port) as sender:
                await sender.publish("work/item", b"1", retain=True)
            return
    raise AssertionError("amqtt has ended three clients")
