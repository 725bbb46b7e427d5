"""Who ends connections is found on connections of their own, within few of them; nobody else is
accused, whatever the broker does."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dskity.broker.aiomqtt.transport import AiomqttTransport
from dskity.broker.settings import ConnectionSettings, ProtocolChoice
from dskity.bus.bus import Bus
from dskity.bus.errors import BrokerRefused, NotConnected
from dskity.bus.message import Message
from dskity.bus.store.outbox import Outbox
from dskity.bus.store.quarantine import HITS, Quarantine, Verdict
from dskity.handlers import Dispatcher
from tests.engines.device import device
from tests.servers import HOST, ServerProcess, mosquitto
from tests.waiting import until


class Broker:
    """Works in order, and hangs up on the guilty; of what it took just before, `forgets`
    acknowledgements are lost with the connection. It crashes in `crashes` of 100 connections, and
    cuts one of them, which is not a crash, in `cuts` of 100."""

    def __init__(
        self, guilty: set[int], *, forgets: int = 0, crashes: int = 0, cuts: int = 0, seed: int = 0
    ) -> None:
        self.guilty = guilty
        self.connections = 0
        self.taken: list[int] = []
        self._forgets = forgets
        self._crashes, self._cuts = crashes, cuts
        self._chance = random.Random(seed)
        self._main = 1

    def main(self) -> int:
        return self._main

    async def apart(self, messages: Sequence[Message]) -> list[Exception | None]:
        self.connections += 1
        numbers = [int(message.payload) for message in messages]
        end = next((n for n, number in enumerate(numbers) if number in self.guilty), len(numbers))
        if self._chance.randrange(100) < self._crashes:
            self._main += 1
            end = min(end, self._chance.randint(0, len(numbers)))
            if not numbers:
                raise NotConnected("it crashed")
        elif numbers and self._chance.randrange(100) < self._cuts:
            end = min(end, self._chance.randrange(len(numbers)))
        self.taken += numbers[:end]
        acknowledged = end if end == len(numbers) else max(0, end - self._forgets)
        ended = NotConnected("the connection ended")
        return [None if n < acknowledged else ended for n in range(len(numbers))]


def numbered(many: int) -> list[Message]:
    return [Message("t", b"%d" % number) for number in range(many)]


guilty_of_200 = st.sets(st.integers(0, 199), min_size=1, max_size=20)


@given(guilty_of_200, st.integers(0, 30))
async def test_the_guilty_of_a_page_are_found_and_all_others_pass(
    guilty: set[int], forgets: int
) -> None:
    """Twenty of two hundred within some hundred short connections, whoever else was unlucky."""
    broker = Broker(guilty, forgets=forgets)
    verdicts = await Quarantine(broker.apart, broker.main).examine(numbered(200))
    assert {n for n, verdict in enumerate(verdicts) if verdict is Verdict.GUILTY} == guilty
    assert verdicts.count(Verdict.PASSED) == 200 - len(guilty)
    each = 2 * HITS + 1 if not forgets else 2 * HITS + 1 + 4 * 8  # to halve 200, and double again
    assert broker.connections <= 1 + each * len(guilty)


@given(
    st.sets(st.integers(0, 49), max_size=5),
    st.integers(0, 100),
    st.integers(0, 1),
    st.integers(0, 5),
    st.integers(0, 2**32),
)
async def test_a_broker_that_crashes_at_random_accuses_nobody(
    guilty: set[int], crashes: int, cuts: int, forgets: int, seed: int
) -> None:
    """What it cuts short is unknown, and tried another time."""
    broker = Broker(guilty, forgets=forgets, crashes=crashes, cuts=cuts, seed=seed)
    verdicts = await Quarantine(broker.apart, broker.main).examine(numbered(50))
    for number, verdict in enumerate(verdicts):
        assert verdict is not Verdict.GUILTY or number in guilty
        assert verdict is not Verdict.PASSED or number in broker.taken


async def test_what_the_broker_refuses_there_is_for_the_main_connection_to_find_out() -> None:
    """An ACL may know the other client id, and forbid it."""

    async def apart(messages: Sequence[Message]) -> list[Exception | None]:
        return [BrokerRefused("not authorized", 0x87)] * len(messages)

    assert await Quarantine(apart, lambda: 1).examine(numbered(2)) == [Verdict.UNKNOWN] * 2


async def test_a_broker_that_takes_no_second_connection_accuses_nobody() -> None:
    async def apart(messages: Sequence[Message]) -> list[Exception | None]:
        if messages:
            return [NotConnected("the connection ended")] * len(messages)
        raise NotConnected("refused")

    assert await Quarantine(apart, lambda: 1).examine(numbered(3)) == [Verdict.UNKNOWN] * 3


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """MQTT 3.1.1 cannot tell its bound, so nobody knows before it hangs up."""
    with mosquitto(["max_packet_size 1000"]) as server:
        yield server


@pytest.mark.parametrize("guilty", [1, 20])
async def test_mosquitto_hangs_up_on_some_and_all_others_arrive_within_seconds(
    server: ServerProcess, tmp_path: Path, guilty: int
) -> None:
    """Also what is published meanwhile; the guilty are set aside for good."""
    protocol: ProtocolChoice = "3.1.1"
    outbox = Outbox(tmp_path / "outbox.db")
    settings = ConnectionSettings(f"mqtt://{HOST}:{server.port}", "sender", protocol=protocol)
    bus = Bus(AiomqttTransport(settings), Dispatcher(), outbox=outbox)
    async with device(server.port) as receiver:
        await receiver.subscribe("t/#")
        await outbox.open(lambda _: never())
        for number in range(200):
            large = number % (200 // guilty) == 0
            await outbox.put(Message("t/a", b"%d" % number + b" " * (2000 if large else 0)))
        await outbox.close()
        await bus.start()
        try:
            await bus.publish("t/a", b"200")
            await until(lambda: outbox.refused == guilty, "the guilty are found", within=15)
            await until(lambda: outbox.empty, "nothing waits")
            found = {int(payload) for _, payload, _, _ in receiver.received}
            assert found == set(range(201)) - {n * (200 // guilty) for n in range(guilty)}
            assert bus.link.connections <= 4
            reasons = {reason for _, reason in await outbox.spool.refused()}
            assert reasons == {outbox.spool.refused_for_good}
        finally:
            await bus.close()


async def never() -> None:
    raise NotConnected("it is away")
