"""What the delivery machine drives: one runtime's delivery, with its files, and a witness."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
from collections import defaultdict
from contextlib import AsyncExitStack
from pathlib import Path

from dskity.bus.base.clock import VirtualClock
from dskity.bus.bus import Bus
from dskity.bus.message import Message
from dskity.bus.store.dedup_store import DedupStore
from dskity.bus.store.outbox import Outbox
from dskity.bus.store.spool import Spool
from dskity.handlers import Dedupe, Dispatcher, RetryPolicy
from dskity.testing import ScriptedBroker, ScriptedTransport, memory_bus

TOPICS = ("handled/a", "handled/b", "stored/a", "stored/b", "once/a", "once/b")
_RETRY = RetryPolicy(attempts=2, backoff=0.1, jitter=False)
_WINDOW = 86_400.0  # seconds, longer than any example lasts
_DEDUPE = Dedupe(lambda message: message.payload.decode(), window=_WINDOW)
_IN_FLIGHT = 4  # few, so that the bound is reached and the wire paused
_PATIENCE = 2.0  # real seconds without any progress: a slow disk takes less, a lost message more


class Noting(DedupStore):
    """Tells what it has on its disk for certain."""

    def __init__(self, path: Path, noted: set[int], clock: VirtualClock) -> None:
        super().__init__(path, what="the seen keys", keep=_WINDOW, clock=clock)
        self._certain = noted
        self.alive = True

    async def add(self, scope: str, key: str) -> None:
        await super().add(scope, key)
        if self.alive:
            self._certain.add(int(key))


class Process:
    """One life of the client; the next one finds its session and its files."""

    def __init__(
        self, broker: ScriptedBroker, clock: VirtualClock, folder: Path, noted: set[int]
    ) -> None:
        self.folder = folder
        self.transport: ScriptedTransport = broker.transport("runtime")
        self.outbox = Outbox(folder / "outbox.db", clock=clock)
        self.inbox = Spool(folder / "inbox.db", what="the inbox")
        self.seen = Noting(folder / "seen.db", noted, clock)
        self.dispatcher = Dispatcher(max_in_flight=_IN_FLIGHT, inbox=self.inbox, seen=self.seen)
        self.bus = Bus(self.transport, self.dispatcher, outbox=self.outbox, clock=clock)

    async def start(self, world: World) -> None:
        """As a runtime does: what the broker has kept waits until the handlers are there."""
        await self.inbox.open()
        await self.seen.open()
        await self.bus.start(hold=True)
        await asyncio.sleep(0)  # modules take their time to start, and the broker has us again
        await self.bus.subscribe("handled/+", world.handle, retry=_RETRY, concurrency=1)
        await self.bus.subscribe("stored/+", world.handle, retry=_RETRY, ack="stored")
        await self.bus.subscribe("once/+", world.handle, retry=_RETRY, dedupe=_DEDUPE)
        self.bus.open()

    async def die(self, legacy: Path) -> None:
        """End as by `kill -9`: nothing leaves any more, and the files in `legacy` are as they are
        now, whatever the threads go on to write. The rest gives back what the system would."""
        self.transport.kill()
        self.seen.alive = False
        for file in sorted(self.folder.glob("*.db*")):  # a database before its log
            shutil.copy(file, legacy)
        await self.leave()

    async def leave(self) -> None:
        """End as a runtime does that is told to stop."""
        await self.dispatcher.close()
        await self.bus.close()
        await self.inbox.close()
        await self.seen.close()


class World:
    """The broker, the present process, and what is known of every message."""

    def __init__(self, folder: Path) -> None:
        self.clock = VirtualClock()
        self.broker = ScriptedBroker(clock=self.clock)
        self.accepted: dict[str, list[int]] = defaultdict(list)
        self.begun: dict[str, list[int]] = defaultdict(list)
        self.ended: set[tuple[str, int]] = set()
        self.noted: set[int] = set()
        self.repeated: list[int] = []
        self.overlaps: list[str] = []
        self.failures = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._inside: set[str] = set()
        self._folder = folder
        self._numbers = itertools.count(1)
        self._stack = AsyncExitStack()
        self.process = self._next_process()

    async def begin(self) -> None:
        """Start the first process, and a witness of dead letters that never dies."""
        transport = self.broker.transport("witness")
        witness = await self._stack.enter_async_context(memory_bus(transport, clock=self.clock))
        await witness.subscribe("dskity/dead-letter/#", self._bury)
        await self.process.start(self)

    async def publish(self, topic: str) -> None:
        """Publish the next number; what returns is accepted."""
        number = next(self._numbers)
        await self.process.bus.publish(topic, number)
        self.accepted[topic].append(number)

    async def write_out(self) -> None:
        """Let the disk's threads do what they were asked, and the loop hear of it."""
        await self.process.outbox.spool.page(0, 1)
        await self.process.inbox.page(0, 1)

    async def crash(self) -> None:
        """Kill the process, and start the next one."""
        following = self._next_process()
        await self.process.die(following.folder)
        await self._go_on(following)

    async def restart(self) -> None:
        """Stop the process, and start the next one."""
        following = self._next_process(self.process.folder)
        await self.process.leave()
        await self._go_on(following)

    def _next_process(self, folder: Path | None = None) -> Process:
        folder = folder or Path(tempfile.mkdtemp(dir=self._folder))
        return Process(self.broker, self.clock, folder, self.noted)

    async def _go_on(self, following: Process) -> None:
        self.process = following
        self._inside.clear()
        await following.start(self)

    async def handle(self, message: Message) -> None:
        """The handler: it waits while the gate is shut, and fails as often as it is told to."""
        topic, number = message.topic, message.json()
        self.begun[topic].append(number)
        if number in self.noted:
            self.repeated.append(number)
        if topic in self._inside:
            self.overlaps.append(topic)
        self._inside.add(topic)
        try:
            for _ in range(number % 3):  # some end at once, some let others go on meanwhile
                await asyncio.sleep(0)
            await self.gate.wait()
        finally:
            self._inside.discard(topic)
        if self.failures:
            self.failures -= 1
            raise ValueError("told to fail")
        self.ended.add((topic, number))

    async def _bury(self, message: Message) -> None:
        self.ended.add((message.headers["dskity-topic"], message.json()))

    async def settle(self) -> None:
        """Make everything well, and let it come to its end, or to a standstill."""
        self.broker.start()
        self.gate.set()
        self.failures = 0
        self.process.transport.let_in()
        loop = asyncio.get_running_loop()
        before, deadline = self._figures, loop.time() + _PATIENCE
        while not self.at_rest and loop.time() < deadline:
            await self.clock.advance(0.5)
            await asyncio.sleep(0.001)
            if self._idle and self._kept:
                self.process.transport.cut()  # an acknowledgement got lost
            if self._figures != before:
                before, deadline = self._figures, loop.time() + _PATIENCE

    @property
    def at_rest(self) -> bool:
        """Whether nobody keeps anything any more: outbox, inbox, handlers, broker."""
        return self._idle and not self._kept

    @property
    def _idle(self) -> bool:
        return self.process.bus.connected and not any(self._figures)

    @property
    def _figures(self) -> tuple[int, int, int]:
        """What our side has not ended: in the outbox, in the inbox, between wire and handlers."""
        process = self.process
        in_flight = process.dispatcher.in_flight
        return process.outbox.spool.messages, process.inbox.messages, in_flight.messages

    @property
    def _kept(self) -> int:
        """What the broker has not been told to forget."""
        sessions = self.broker.sessions.values()
        return sum(len(s.unacked) + sum(map(len, s.waiting.values())) for s in sessions)

    @property
    def lost(self) -> set[tuple[str, int]]:
        """What was accepted, and neither handled nor buried."""
        return {(t, n) for t, numbers in self.accepted.items() for n in numbers} - self.ended

    async def end(self) -> None:
        """Close all."""
        await self.process.leave()
        await self._stack.aclose()
