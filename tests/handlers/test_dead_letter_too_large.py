"""A message that the broker took and whose dead letter, with its headers, it does not."""

from __future__ import annotations

from pathlib import Path

from dskity.bus.bus import Bus
from dskity.bus.errors import TooLarge
from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.bus.message import Message
from dskity.bus.store.outbox import Outbox
from dskity.handlers import Dispatcher
from dskity.handlers.policy import RetryPolicy
from tests.waiting import until


class Narrow(MemoryTransport):
    """Counts the headers, too."""

    async def publish(self, message: Message) -> bool | None:
        if len(message.payload) + sum(map(len, message.headers.values())) > 160:
            raise TooLarge("this broker takes at most 160 bytes")
        return await super().publish(message)


async def test_it_is_kept_in_the_outbox_and_not_lost(tmp_path: Path) -> None:
    """Set aside there; the message itself is done with, and the next one is handled."""
    outbox = Outbox(tmp_path / "outbox.db")
    dispatcher = Dispatcher()
    bus = Bus(Narrow(MemoryBroker(), "box"), dispatcher, outbox=outbox)
    await bus.start()
    handled: list[bytes] = []

    async def refuse(payload: bytes) -> None:
        handled.append(payload)
        if payload != b"fine":
            raise ValueError("not mine")

    await bus.subscribe("t", refuse, retry=RetryPolicy(attempts=1))
    large = b"x" * 150
    await bus.publish("t", large)
    await bus.publish("t", b"fine")
    await until(lambda: b"fine" in handled, "the next one")
    await until(lambda: outbox.refused, "it is set aside")
    [(stored, reason)] = await outbox.spool.refused()
    assert (stored.message.topic, stored.message.payload) == ("dskity/dead-letter/t", large)
    assert "at most 160" in reason
    await dispatcher.close()
    await bus.close()
