"""The bridge between two real brokers, one of which is killed on the way."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dskity.bootstrap import start
from dskity.broker.settings import ConnectionSettings
from dskity.bus.bus import Bus
from dskity.bus.delivery import Delivery
from dskity.composition.mqtt_transport import make_transport
from dskity.config import DSkitySettings
from dskity.handlers import Dispatcher
from tests.bridge.sites import RULE, carriers, settings
from tests.servers import ServerProcess, mosquitto
from tests.waiting import until

MESSAGES, TOPICS = 2000, 20


@asynccontextmanager
async def client(broker: ServerProcess, name: str) -> AsyncIterator[Bus]:
    """A bus without an outbox, whose session outlives a crash of the broker."""
    url = f"mqtt://127.0.0.1:{broker.port}"
    connection = ConnectionSettings(url, name, connect_timeout=1.0)
    dispatcher = Dispatcher()
    bus = Bus(make_transport(connection), dispatcher, publish_timeout=20)
    await bus.start()
    try:
        await bus.link.wait_connected(5)
        yield bus
    finally:
        await dispatcher.close()
        await bus.close()


def between(
    edge: ServerProcess,
    cloud: ServerProcess,
    state_dir: Path,
    *rules: Mapping[str, Any],
) -> DSkitySettings:
    """Settings of a runtime with these rules."""
    near = {"url": f"mqtt://127.0.0.1:{edge.port}"}
    far = {"url": f"mqtt://127.0.0.1:{cloud.port}", "connect_timeout": 1}
    common = {"registry": {"enabled": False}, "mqtt": near}
    return settings(state_dir, rules, common=common, mqtt={"cloud": far})


class Ledger:
    """The numbers that arrived, by topic."""

    def __init__(self) -> None:
        self.numbers: dict[str, list[int]] = defaultdict(list)
        self.distinct: set[int] = set()

    def enter(self, delivery: Delivery, _: object) -> None:
        number = int(delivery.payload)
        self.numbers[delivery.topic].append(number)
        self.distinct.add(number)
        delivery.done()

    def without_duplicates(self) -> dict[str, list[int]]:
        return {topic: list(dict.fromkeys(numbers)) for topic, numbers in self.numbers.items()}


async def test_the_cloud_dies_in_the_middle_and_nothing_is_lost(tmp_path: Path) -> None:
    """2,000 messages of QoS 1; each topic keeps its order, but for messages that come twice."""
    down = {"from": "cloud", "to": "default", "filter": "site/down/#", "strip": "site"}
    # Saved after each 60 changes, so that the reader's session survives and saving costs little.
    saving = ("autosave_interval 60",)
    with mosquitto() as edge, mosquitto(saving, persistence=True) as cloud:
        configured = between(edge, cloud, tmp_path, RULE | {"prefix": "site"}, down)
        ledger, returned = Ledger(), Ledger()
        async with (
            client(edge, "machine") as machine,
            client(cloud, "reader") as reader,
            await start(configured) as runtime,
        ):
            await reader.attach("site/up/#", ledger.enter)
            await machine.attach("down/#", returned.enter)
            outbox = runtime.bus.connection("cloud").outbox
            assert outbox is not None

            async def produce(topic: int) -> None:
                for number in range(topic, MESSAGES, TOPICS):
                    await machine.publish(f"up/{topic}", str(number))

            async with asyncio.TaskGroup() as group:
                for topic in range(TOPICS):
                    group.create_task(produce(topic), name=f"produce {topic}")
                await until(lambda: len(ledger.distinct) > MESSAGES // 4, "a quarter", 20)
                await asyncio.to_thread(cloud.kill)
                await until(lambda: outbox.spool.messages > TOPICS, "messages in the outbox", 20)
                await asyncio.to_thread(cloud.start)

            await until(lambda: len(ledger.distinct) == MESSAGES, "all of them", 30)
            assert ledger.without_duplicates() == {
                f"site/up/{topic}": list(range(topic, MESSAGES, TOPICS)) for topic in range(TOPICS)
            }
            assert carriers(runtime)[0].counts.carried >= MESSAGES
            await until(lambda: outbox.empty, "an empty outbox")
            await reader.publish("site/down/x", "1")
            await until(lambda: returned.distinct == {1}, "the way back")


async def test_what_comes_between_two_runs_is_carried_by_the_second(tmp_path: Path) -> None:
    """A runtime that ends leaves its subscriptions with the broker."""
    with mosquitto() as edge, mosquitto() as cloud:
        configured = between(edge, cloud, tmp_path, RULE)
        ledger = Ledger()
        async with client(edge, "machine") as machine, client(cloud, "reader") as reader:
            await reader.attach("up/#", ledger.enter)
            async with await start(configured):
                await machine.publish("up/x", "0")
                await until(lambda: ledger.distinct == {0}, "the first")
            for number in range(1, 11):
                await machine.publish("up/x", str(number))
            async with await start(configured) as runtime:
                await until(lambda: len(ledger.distinct) == 11, "the rest")
                assert runtime.bus.connection("cloud").client_id == f"{runtime.bus.client_id}-cloud"
        assert ledger.without_duplicates() == {"up/x": list(range(11))}


async def test_a_state_that_changes_later_is_kept_on_the_other_side(tmp_path: Path) -> None:
    """MQTT 5 hands the retain flag on as it was published."""
    with mosquitto() as edge, mosquitto() as cloud:
        configured = between(edge, cloud, tmp_path, RULE)
        async with client(edge, "machine") as machine, client(cloud, "reader") as reader:
            async with await start(configured) as runtime:
                await machine.publish("up/state", "1", retain=True)
                await until(lambda: carriers(runtime)[0].counts.carried == 1, "it is carried")
            ledger = Ledger()
            await reader.attach("up/#", ledger.enter)
            await until(lambda: ledger.distinct == {1}, "what the cloud has kept")
