"""On the disk first: while a write hangs, nobody is told that the message is safe.

Each test waits until the write really hangs, then until all that was begun before it has left, and
looks then.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from dskity.broker.aiomqtt.transport import AiomqttTransport
from dskity.broker.settings import ConnectionSettings
from dskity.broker.wire import Version
from dskity.bus.bus import Bus
from dskity.bus.store.outbox import Outbox
from dskity.bus.store.spool import Spool
from dskity.handlers import Dispatcher
from tests.broker.hostile.test_oddities import PROTOCOLS
from tests.broker.odd import PUBACK, OddBroker, mid_of
from tests.broker.raw import publish
from tests.faults import frames
from tests.faults.one_runtime.held import HeldDisk, rows
from tests.runtime.house import on_broker, started
from tests.servers import HOST, free_port
from tests.waiting import until
from tests.webhooks.signing import SECRET, github

VERSIONS: tuple[Version, ...] = (5, 4)


@dataclass(eq=False)
class Box:
    """A bus with an inbox, at a broker that counts PUBACKs."""

    bus: Bus
    broker: OddBroker
    version: Version
    handled: list[bytes] = field(default_factory=list)

    def deliver(self, mid: int, topic: bytes = b"stored") -> None:
        """The broker sends a message at QoS 1, or, with 0 for `mid`, at QoS 0."""
        (line,) = self.broker.of("box")
        first = 0x32 if mid else 0x30
        line.send(publish(self.version, topic, b"%d" % mid, first=first, mid=mid))

    @property
    def acknowledged(self) -> list[int]:
        """The packet identifiers of the PUBACKs that came, in order."""
        (line,) = self.broker.of("box")
        came = [each for each in line.came if frames.kind(each) == PUBACK]
        return [int.from_bytes(mid_of(each), "big") for each in came]

    async def flush(self) -> None:
        """Return when the broker has all that was to leave until now."""
        for topic in ("flush/1", "flush/2", "flush/3"):
            await (await self.bus.subscribe(topic, _nothing)).cancel()


async def _nothing(payload: bytes) -> None:
    del payload


@contextlib.asynccontextmanager
async def boxed(
    version: Version, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Box]:
    """It is subscribed to `stored`, by a route that is acknowledged when it is on the disk."""
    monkeypatch.setattr("dskity.broker.probe.basics.PATIENCE", 0.0)
    async with OddBroker().opened() as broker:
        settings = ConnectionSettings(
            f"mqtt://{HOST}:{broker.port}", "box", protocol=PROTOCOLS[version]
        )
        inbox = Spool(folder / "inbox.db", what="the inbox")
        await inbox.open()
        dispatcher = Dispatcher(inbox=inbox)
        bus = Bus(AiomqttTransport(settings), dispatcher)
        box = Box(bus, broker, version)

        async def handle(payload: bytes) -> None:
            box.handled.append(payload)

        await bus.start()
        try:
            await bus.link.wait_connected(5)
            await bus.subscribe("stored", handle, ack="stored")
            yield box
        finally:
            await dispatcher.close()
            await bus.close()
            await inbox.close()


@pytest.mark.parametrize("version", VERSIONS)
async def test_no_puback_leaves_before_the_inbox_has_the_message(
    version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is it handled: it would be lost with the process. What comes meanwhile waits, too."""
    disk = HeldDisk(monkeypatch, "inbox.db")
    async with boxed(version, tmp_path, monkeypatch) as box:
        disk.hold()
        box.deliver(7)
        await disk.hangs()
        for mid in (8, 9):
            box.deliver(mid)
        await box.flush()
        assert disk.waiting, "it hangs still"
        assert box.acknowledged == []
        assert box.handled == []
        assert rows(tmp_path / "inbox.db") == 0
        disk.release()
        await until(lambda: len(box.acknowledged) == 3, "the PUBACKs")
        assert box.acknowledged == [7, 8, 9]
        await until(lambda: box.handled == [b"7", b"8", b"9"], "handled in order")


async def test_an_acknowledged_message_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen by another reader of the file, at the moment of the PUBACK."""
    disk = HeldDisk(monkeypatch, "inbox.db")
    async with boxed(5, tmp_path, monkeypatch) as box:
        found: list[int] = []
        (line,) = box.broker.of("box")

        def look(_: Any, data: bytes) -> bool:
            if frames.kind(data) == PUBACK:
                found.append(rows(tmp_path / "inbox.db"))
            return False

        gate = asyncio.Event()

        async def slow(payload: bytes) -> None:
            del payload
            await gate.wait()

        await box.bus.subscribe("slow", slow, ack="stored")
        box.broker.odd = look
        line.send(publish(5, b"slow", b"x", first=0x32, mid=3))
        await until(lambda: found, "the PUBACK")
        disk.release()
        gate.set()
        assert found == [1]


@contextlib.asynccontextmanager
async def _sender(folder: Path) -> AsyncIterator[Bus]:
    """A bus with an outbox; its broker is away."""
    settings = ConnectionSettings(f"mqtt://{HOST}:{free_port()}", "box", connect_timeout=1)
    outbox = Outbox(folder / "outbox.db")
    bus = Bus(AiomqttTransport(settings), Dispatcher(), outbox=outbox)
    await bus.start()
    try:
        yield bus
    finally:
        await bus.close()


async def test_no_receipt_is_given_before_the_outbox_has_the_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`publish` returns when the write has ended, and then it is on the disk."""
    disk = HeldDisk(monkeypatch, "outbox.db")
    async with _sender(tmp_path) as bus, asyncio.TaskGroup() as group:
        disk.hold()
        publishing = [
            group.create_task(bus.publish("t", b"%d" % number), name=f"publish {number}")
            for number in range(3)
        ]
        await disk.hangs()
        for _ in range(50):
            await asyncio.sleep(0)  # a receipt that is on its way arrives
        assert disk.waiting, "it hangs still"
        assert not any(task.done() for task in publishing)
        assert rows(tmp_path / "outbox.db") == 0
        disk.release()
        receipts = [await task for task in publishing]
        assert {receipt.accepted for receipt in receipts} == {"outbox"}
        assert rows(tmp_path / "outbox.db") == 3


_Ask = Callable[[httpx.AsyncClient], Any]
_DOORS: dict[str, _Ask] = {
    "webhook": lambda http: http.post("/webhooks/github", content=b"{}", headers=github(b"{}")),
    "topic": lambda http: http.post("/topics/t", content=b"{}"),
}


@pytest.mark.parametrize("ask", _DOORS.values(), ids=_DOORS)
async def test_no_202_is_given_before_the_outbox_has_the_message(
    ask: _Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole runtime whose broker is away; a sender that has its 202 sends no more."""
    disk = HeldDisk(monkeypatch, "outbox.db")
    hooks = {"github": {"preset": "github", "secret": SECRET, "topic": "hooks/{event}"}}
    async with started(tmp_path, common=on_broker(free_port()), webhooks=hooks) as house:
        outbox = house.runtime.bus.outbox
        assert outbox is not None
        disk.hold()
        before, waiting = rows(tmp_path / "state" / "outbox.db"), outbox.spool.messages
        asking = asyncio.create_task(ask(house.http), name="the sender")
        await disk.hangs()
        await until(lambda: outbox.spool.messages > waiting, "it is to be written")
        for _ in range(3):
            assert (await house.http.get("/health/live")).status_code == 200, "others are answered"
        assert disk.waiting, "it hangs still"
        assert not asking.done()
        disk.release()
        assert (await asking).status_code == 202
        assert rows(tmp_path / "state" / "outbox.db") > before
