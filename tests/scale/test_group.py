"""Two runtimes that share the messages of one group, on mosquitto."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from dskity.broker.aiomqtt.transport import AiomqttTransport
from dskity.broker.settings import ConnectionSettings
from dskity.broker.transport import MqttTransport
from dskity.bus.message import Message
from tests.broker.scripted import started
from tests.faults.load import payload_of, topic_of
from tests.faults.process import Worker, settings, worker
from tests.faults.worker import Spec
from tests.servers import HOST, mosquitto
from tests.waiting import until

log = logging.getLogger(__name__)

MESSAGES = 1_000
SLOW = 0.01  # seconds that a handler takes at most, so that a killed one has work in its hands


@contextmanager
def members(folder: Path, port: int) -> Iterator[tuple[Worker, Worker]]:
    """Two runtimes of one group, each with its own client id and `state_dir`."""
    with contextlib.ExitStack() as stack:
        first, second = (
            stack.enter_context(
                worker(
                    folder / name,
                    Spec(
                        settings(folder / name, port, client_id=name),
                        route={"group": "line"},
                        pause=SLOW,
                    ),
                )
            )
            for name in ("first", "second")
        )
        yield first, second


@asynccontextmanager
async def publisher(port: int) -> AsyncIterator[MqttTransport]:
    """Somebody else, who is connected."""
    transport = AiomqttTransport(ConnectionSettings(f"mqtt://{HOST}:{port}", "publisher"))
    link = await started(transport)
    await link.wait_connected(5)
    try:
        yield transport
    finally:
        await transport.close()


async def send(sender: MqttTransport, number: int) -> None:
    """Publish the message of this number."""
    await sender.publish(Message(topic_of(number), payload_of(number)))


def handled(*workers: Worker) -> Counter[int]:
    """How often each message has been handled, by whomever."""
    total: Counter[int] = Counter()
    for each in workers:
        total += each.handled.update().counts
    return total


async def test_members_share_the_messages_and_the_death_of_one_loses_none(tmp_path: Path) -> None:
    """The other goes on with its own. mosquitto keeps the share of the dead one for it, also what
    comes later, and a new process of the same client id gets it."""
    with mosquitto() as broker, members(tmp_path, broker.port) as (first, second):
        await until(lambda: first.lives and second.lives, "both handle", 20)
        async with publisher(broker.port) as sender:
            for number in range(MESSAGES):
                if number == MESSAGES // 2:
                    first.kill()
                await send(sender, number)
            share = MESSAGES // 2
            await until(lambda: len(handled(second)) == share, "the other's half is handled")
            assert len(handled(first, second)) < MESSAGES
            first.start()
            await until(lambda: len(handled(first, second)) == MESSAGES, "all are handled", 20)
    total = handled(first, second)
    log.info("%d duplicates", total.total() - MESSAGES)
    assert not handled(first).keys() & handled(second).keys()
    assert set(total) == set(range(MESSAGES))


async def test_the_share_of_a_member_that_is_gone_for_good_can_be_taken_over(
    tmp_path: Path,
) -> None:
    """By a process elsewhere with its client id: the session belongs to the name."""
    with mosquitto() as broker, members(tmp_path, broker.port) as (first, second):
        await until(lambda: first.lives and second.lives, "both handle", 20)
        first.kill()
        async with publisher(broker.port) as sender:
            for number in range(MESSAGES // 10):
                await send(sender, number)
        elsewhere = settings(tmp_path / "heir", broker.port, client_id="first")
        with worker(tmp_path / "heir", Spec(elsewhere, route={"group": "line"})) as heir:
            await until(lambda: len(handled(second, heir)) == MESSAGES // 10, "all are handled", 20)
            assert handled(heir)


async def test_a_member_can_leave_for_good(tmp_path: Path) -> None:
    """Its last life has a session that ends with it: from then on the others get everything."""
    with mosquitto() as broker, members(tmp_path, broker.port) as (first, second):
        await until(lambda: first.lives and second.lives, "both handle", 20)
        first.kill()
        async with publisher(broker.port) as sender:
            for number in range(MESSAGES // 10):
                await send(sender, number)
            last = settings(
                first.folder, broker.port, client_id="first", mqtt={"session_expiry_seconds": 0}
            )
            first.change(Spec(last, route={"group": "line"}))
            first.start()
            await until(
                lambda: len(handled(first, second)) == MESSAGES // 10, "its share is handled", 20
            )
            await until(lambda: first.lives == 2, "its last life is up", 20)
            first.stop()
            before = len(handled(second))
            for number in range(MESSAGES // 10, MESSAGES // 5):
                await send(sender, number)
            await until(
                lambda: len(handled(second)) == before + MESSAGES // 10, "the other has the rest"
            )
