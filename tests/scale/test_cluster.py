"""A cluster of three nodes, of which one is killed; and what such a cluster cannot do."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from pathlib import Path

import pytest

from dskity.broker.aiomqtt.transport import AiomqttTransport
from dskity.broker.settings import ConnectionSettings
from dskity.bus.errors import Unsupported
from tests.broker.scripted import started
from tests.faults.process import Worker, settings, worker
from tests.faults.worker import Spec
from tests.servers import HOST, ServerProcess
from tests.waiting import until

log = logging.getLogger(__name__)

MESSAGES = 2_000
# With a node gone NATS 2.9 takes 5 s for each new consumer, and has one for each subscription.
FEW_SUBSCRIPTIONS = {name: {"enabled": False} for name in ("kv", "commands", "dead-letters", "ops")}
WITHIN = 45.0  # seconds; NATS elects its leaders anew, which takes 10 in most runs and 30 in some


@pytest.mark.timeout(90)
async def test_two_runtimes_lose_nothing_when_their_node_is_killed(
    cluster: list[ServerProcess],
    tmp_path: Path,
) -> None:
    """One publishes, one handles, both on the first node: both go on at the next, and the session
    of the one that handles is there, with all that was on its way."""
    urls = [f"mqtt://{HOST}:{node.port}" for node in cluster]

    def spec(name: str, **role: object) -> Spec:
        own = settings(
            tmp_path / name, 0, client_id=name, mqtt={"url": urls}, modules=FEW_SUBSCRIPTIONS
        )
        return Spec(own, **role)  # type: ignore[arg-type]  # fields of Spec

    with worker(tmp_path / "consumer", spec("consumer", route={})) as consumer:
        await until(lambda: consumer.connections, "the consumer is connected", WITHIN)
        produce = spec("producer", produce=(0, MESSAGES))
        with worker(tmp_path / "producer", produce) as producer:
            await until(lambda: consumer.handled.update().lines > MESSAGES // 4, "it flows", WITHIN)
            await asyncio.to_thread(cluster[0].kill)
            assert consumer.handled.update().lines < MESSAGES
            await until(
                lambda: len(consumer.handled.update().counts) == MESSAGES, "all handled", WITHIN
            )
            await until(lambda: went_over(producer, urls), "the producer has moved", WITHIN)
            await until(lambda: went_over(consumer, urls), "the consumer has moved", WITHIN)
            assert producer.accepted.update().counts == Counter(range(MESSAGES))
    log.info("%d duplicates", consumer.handled.lines - MESSAGES)


def went_over(process: Worker, urls: list[str]) -> bool:
    """Whether it was connected to the first node, and after that to another one."""
    places = [
        line.partition(" connected to ")[2].partition(",")[0]
        for line in process.log.splitlines()
        if " connected to " in line
    ]
    return places[0] == urls[0] and places[-1] in urls[1:]


async def test_a_group_is_refused_by_a_cluster_without_shared_subscriptions(
    cluster: list[ServerProcess],
) -> None:
    """NATS would take the subscription and deliver nothing."""
    urls = tuple(f"mqtt://{HOST}:{node.port}" for node in cluster)
    transport = AiomqttTransport(ConnectionSettings(urls, "member"))
    link = await started(transport)
    await link.wait_connected(10)
    with pytest.raises(Unsupported, match="no shared subscriptions"):
        await transport.subscribe("$share/group/load/#", 1, 1)
    await transport.close()
