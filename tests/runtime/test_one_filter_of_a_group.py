"""Modules whose groups have a name in common, on a broker that serves one filter of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dskity.broker.limits import Limits
from dskity.bus.bus import Bus
from dskity.bus.delivery import Delivery
from dskity.bus.errors import Unsupported
from dskity.bus.memory import CAPABILITIES
from dskity.handlers import Dispatcher
from dskity.modules import Module, ModuleMeta, on
from tests.contract.cells import Cell
from tests.contract.house import mqtt, open_house
from tests.modules.conftest import staged
from tests.runtime.house import started, write_module
from tests.servers import need_rumqttd
from tests.waiting import until

FIX = "use a different name for each group, or write best_effort=True"
WORKER = """
    from dskity.modules import Module, ModuleMeta, on

    class {name}(Module):
        meta = ModuleMeta("{name}", depends_on={after})

        @on("work/{name}", group="crew"{more})
        async def work(self, item: bytes) -> None: ...
"""


async def test_a_runtime_on_rumqttd(tmp_path: Path) -> None:
    """The first is served, the next one is refused with the fix, by best effort it is plain."""
    need_rumqttd()
    for name, after, more in (
        ("first", (), ""),
        ("keen", ("first",), ""),
        ("easy", ("first",), ", best_effort=True"),
    ):
        write_module(tmp_path, f"{name}.py", WORKER.format(name=name, after=after, more=more))
    async with started(tmp_path, broker={"engine": "rumqttd", "port": 0}) as house:
        states = house.runtime.supervisor.states()
        assert [states[name].state for name in ("first", "keen", "easy")] == [
            "started",
            "failed",
            "started",
        ]
        assert FIX in states["keen"].reason
        for name in ("first", "easy"):
            await house.runtime.bus.publish(f"work/{name}", b"1")
        routes = {route.name: route.stats for route in house.runtime.core.dispatcher.routes}
        ours = [routes[name] for name in ("first.first.work", "easy.easy.work")]
        await until(lambda: [stats.handled for stats in ours] == [1, 1], "both messages")


class First(Module):
    """Has the group."""

    meta = ModuleMeta("first")

    @on("work/first", group="crew")
    async def work(self) -> None: ...


class Keen(Module):
    """Wants it for another filter."""

    meta = ModuleMeta("keen", depends_on=("first",))

    @on("work/keen", group="crew")
    async def work(self) -> None: ...


class Easy(Module):
    """Would like to have it for one more."""

    meta = ModuleMeta("easy", depends_on=("first",))

    @on("work/easy", group="crew", best_effort=True)
    async def work(self) -> None: ...


async def test_what_was_not_known_at_the_start_is_told_once_connected() -> None:
    """The first keeps the group."""
    async with staged(builtins=(First(), Keen(), Easy()), broker_runs=False) as stage:
        stage.house.broker.capabilities = CAPABILITIES.but(shares_filters=False)
        stage.supervisor.watch(stage.house.bus)
        await stage.supervisor.start()
        stage.house.broker.start()
        states = stage.supervisor.states
        await until(lambda: states()["keen"].state == "quarantined", "the quarantine")
        assert FIX in states()["keen"].reason
        plain = ["$share/crew/work/first", "work/easy"]
        await until(
            lambda: sorted(entry.wire_filter for entry in stage.house.bus.subscriptions) == plain,
            "the plain subscription",
        )
        assert {states()[name].state for name in ("first", "easy")} == {"started"}


async def test_a_second_filter_is_not_asked_for() -> None:
    """The oldest is served, also where more has been made of it since; the other one ends at once,
    as rumqttd would leave an UNSUBSCRIBE unanswered, and can be had plain."""
    came: list[str] = []

    def accept(delivery: Delivery, captures: object) -> None:
        del captures
        came.append(delivery.topic)
        delivery.done()

    cell = Cell("aiomqtt", "rumqttd")
    async with open_house(cell) as house:
        limits = Limits(shares_filters=False)
        bus = Bus(mqtt(cell, "box", house.broker.port, limits=limits), Dispatcher())
        await bus.attach("work/a", accept, group="crew")
        second = await bus.attach("work/b", accept, group="crew")
        await bus.attach("work/a", accept, group="crew")
        await bus.start()
        try:
            await bus.link.wait_connected(10)
            assert bus.unserved == (second,)
            with pytest.raises(Unsupported, match=FIX):
                await bus.attach("work/c", accept, group="crew")
            async with asyncio.timeout(2):
                await second.cancel()
            await bus.attach("work/b", accept, group="crew", best_effort=True)
            assert not bus.unserved
            for topic in ("work/a", "work/b"):
                await bus.publish(topic)
            await until(lambda: sorted(came) == ["work/a", "work/a", "work/b"], f"all: {came}")
        finally:
            await bus.close()
