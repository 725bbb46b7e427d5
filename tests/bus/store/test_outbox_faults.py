"""An outbox whose broker refuses, and whose rows are damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.bus.bus import Bus
from dskity.bus.errors import BrokerRefused, InvalidTopic, TooLarge
from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.bus.message import Message
from dskity.bus.store.outbox import Outbox
from dskity.handlers import Dispatcher
from tests.bus.store.test_outbox import listener, sender
from tests.waiting import until


async def test_refused_state_does_not_come_back_over_newer_state(tmp_path: Path) -> None:
    """What is retained is not tried again: the broker may have a newer one."""
    broker = MemoryBroker()
    transport = Faulty(broker, "sender")
    transport.error = BrokerRefused("not authorized", 0x87)
    outbox = Outbox(tmp_path / "outbox.db")
    bus = Bus(transport, Dispatcher(), outbox=outbox)
    async with listener(broker) as seen:
        broker.stop()
        await bus.start()
        await bus.publish("t/bad", b"old", retain=True)
        broker.start()
        await until(lambda: outbox.refused, "it is set aside")
        transport.error = None
        assert (await bus.publish("t/bad", b"new", retain=True)).accepted == "broker"
        await bus.close()
        async with sender(broker, tmp_path) as (again, kept):
            assert kept.spool.messages == 0
            assert len(await kept.spool.refused()) == 1
            await again.publish("t/end", b"")
            await until(lambda: seen[-1:] and seen[-1].topic == "t/end", "the last one")
        assert [m.payload for m in seen] == [b"new", b""]


class Faulty(MemoryTransport):
    """Fails on one topic with whatever `error` is."""

    error: Exception | None = None

    async def publish(self, message: Message) -> bool | None:
        if message.topic == "t/bad" and self.error is not None:
            raise self.error
        return await super().publish(message)


@pytest.mark.parametrize(
    "error", [ValueError("a fault"), TooLarge("over the broker's bound"), InvalidTopic("no topic")]
)
async def test_a_message_that_cannot_be_sent_does_not_hold_up_those_behind_it(
    tmp_path: Path, error: Exception
) -> None:
    broker = MemoryBroker()
    transport = Faulty(broker, "sender")
    transport.error = error
    outbox = Outbox(tmp_path / "outbox.db")
    bus = Bus(transport, Dispatcher(), outbox=outbox)
    async with listener(broker) as seen:
        broker.stop()
        await bus.start()
        for topic in ("t/bad", "t/fine"):
            await bus.publish(topic, b"")
        broker.start()
        await until(lambda: [m.topic for m in seen] == ["t/fine"], "the fine one")
        await until(lambda: outbox.empty, "nothing waits")
        assert (outbox.refused, outbox.sent) == (1, 1)
        [(stored, reason)] = await outbox.spool.refused()
        assert stored.message.topic == "t/bad"
        assert str(error) in reason
        await bus.close()


async def test_a_quota_that_is_used_up_is_waited_for(tmp_path: Path) -> None:
    """Reason code 0x97 is about now, not about the message."""
    broker, clock = MemoryBroker(), VirtualClock()
    transport = Faulty(broker, "sender")
    transport.error = BrokerRefused("quota exceeded", 0x97)
    outbox = Outbox(tmp_path / "outbox.db", clock=clock)
    bus = Bus(transport, Dispatcher(), outbox=outbox, clock=clock)
    async with listener(broker) as seen:
        broker.stop()
        await bus.start()
        await bus.publish("t/bad", b"")
        broker.start()
        await until(lambda: clock._sleepers, "the pause before another try")
        transport.error = None
        await clock.advance(1)
        await until(lambda: [m.topic for m in seen] == ["t/bad"], "it")
        assert outbox.refused == 0
        await bus.close()


async def test_a_refused_state_lets_nothing_pass_what_waits(tmp_path: Path) -> None:
    """The count of what waits stays true, so a newer message queues behind an older one."""
    broker = MemoryBroker()
    transport = Faulty(broker, "sender")
    transport.error = BrokerRefused("not authorized", 0x87)
    outbox = Outbox(tmp_path / "outbox.db")
    bus = Bus(transport, Dispatcher(), outbox=outbox)
    async with listener(broker):
        broker.stop()
        await bus.start()
        await bus.publish("t/bad", b"1", retain=True)
        broker.start()
        await until(lambda: outbox.refused == 1, "the refusal")
        await until(lambda: outbox.empty, "nothing waits")
        broker.stop()
        await bus.publish("t/bad", b"2", retain=True)
        assert (outbox.spool.messages, outbox.empty) == (1, False)
        await bus.close()


@pytest.mark.parametrize(
    "damage",
    [
        "fields = '{'",
        "fields = '[1]'",
        """fields = '{"headers": {"a": 1}}'""",
        """fields = '{"correlation": "x"}'""",
        "fields = cast(x'ff' AS TEXT)",
        f"fields = '{'[' * 1000}'",
        "topic = x'00'",
        "topic = cast(x'ff' AS TEXT)",
        "payload = 7",
    ],
)
async def test_a_damaged_row_costs_only_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    """It is logged and set aside; a start tries it again, for the file may have been repaired."""
    broker = MemoryBroker()
    async with listener(broker) as seen, sender(broker, tmp_path) as (bus, outbox):
        broker.stop()
        for number in range(3):
            await bus.publish("t/a", number, headers={"a": "b"})
        await outbox.spool._database.run(
            lambda c: c.execute(f"UPDATE spool SET {damage} WHERE id = 2").rowcount
        )
        broker.start()
        await until(lambda: len(seen) == 2, "the others")
        await until(lambda: outbox.empty, "nothing waits")
        assert [m.json() for m in seen] == [0, 2]
        [(stored, reason)] = await outbox.spool.refused()
        assert (stored.id, outbox.spool.messages) == (2, 0)
        assert reason in caplog.text
        await outbox.spool._database.run(
            lambda c: c.execute("UPDATE spool SET fields = NULL, topic = 't/a', payload = x'31'")
        )
        await bus.close()
        async with sender(broker, tmp_path):
            await until(lambda: len(seen) == 3, "the one that is whole again")
