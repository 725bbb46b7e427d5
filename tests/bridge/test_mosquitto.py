"""The bridge between two real brokers, one of which is killed on the way."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from dskity.bootstrap import start
from dskity.broker.settings import ConnectionSettings
from dskity.bus.bus import Bus
from dskity.bus.delivery import Delivery
from dskity.handlers import Dispatcher
from dskity.wires import choose_client
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
    bus = Bus(choose_client("auto").make(connection), dispatcher, publish_timeout=20)
    await bus.start()
    try:
        await bus.link.wait_connected(5)
        yield bus
    finally:
        await dispatcher.close()
        await bus.close()


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
    with mosquitto(persistence=True) as edge, mosquitto(persistence=True) as cloud:
        configured = settings(
            tmp_path,
            [RULE | {"prefix": "site"}, down],
            common={
                "registry": {"enabled": False},
                "mqtt": {"url": f"mqtt://127.0.0.1:{edge.port}"},
            },
            mqtt={"cloud": {"url": f"mqtt://127.0.0.1:{cloud.port}", "connect_timeout": 1}},
        )
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

            async def produce() -> None:
                for number in range(MESSAGES):
                    await machine.publish(f"up/{number % TOPICS}", str(number))

            async with asyncio.TaskGroup() as group:
                group.create_task(produce(), name="produce")
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
