"""The loops of a runtime: how each is made to fail from inside, and how its work shows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dskity.bus.background_publisher import BackgroundPublisher
from dskity.bus.base.clock import VirtualClock
from dskity.bus.bus import Bus
from dskity.bus.message import Message
from dskity.bus.store.drain import Drain
from dskity.bus.stream import MessageStream
from dskity.composition.runtime import Runtime
from dskity.handlers.stored import StoredRoute
from dskity.modules import Module, ModuleMeta, on
from dskity.modules.commands.deadlines import Deadlines
from dskity.modules.commands.keys import PREFIX, SharedKeys
from dskity.modules.commands.states import State
from dskity.modules.grpc.health import Health
from dskity.modules.kv.memory_store import MemoryStore
from dskity.modules.kv.redis_feed import RedisFeed
from dskity.modules.kv.redis_store import RedisStore
from dskity.modules.registry.discovery import Discovery
from dskity.modules.registry.service import ServiceRegistry
from dskity.testing import ScriptedBroker
from tests.breaking import Broken
from tests.waiting import until


class Recorder(Module):
    """Handles from the inbox."""

    meta = ModuleMeta("recorder")

    def __init__(self) -> None:
        self.recorded: list[bytes] = []

    @on("records/{number}", ack="stored")
    async def record(self, payload: bytes) -> None:
        """Remember it."""
        self.recorded.append(payload)


@dataclass
class Scene:
    """A runtime on a broker in memory, a device beside it, and all that the device hears."""

    runtime: Runtime
    broker: ScriptedBroker
    clock: VirtualClock
    recorder: Recorder
    device: Bus
    heard: MessageStream
    broken: Broken

    async def hears(self, topic: str) -> None:
        """Return when the device has got a message of `topic`; time goes by until then."""
        seen: set[str] = set()

        async def listen() -> None:
            while topic not in seen:
                seen.add((await anext(self.heard)).topic)

        await self.passing(listen(), f"a message of {topic}, beside {seen}")

    async def passing(self, work: Awaitable[None], what: str) -> None:
        """Await `work` as time goes by."""
        task = asyncio.ensure_future(work)
        try:
            for _ in range(2_000):
                if task.done():
                    break
                await self.clock.advance(0.05)
                await asyncio.sleep(0.001)
            assert task.done(), what
            task.result()
        finally:
            task.cancel()
            await asyncio.wait((task,))


Step = Callable[[Scene], Awaitable[None]]


@dataclass(frozen=True)
class Loop:
    """`poke` leads the loop called `task` to `owner.name`, which fails; `works` shows that it goes
    on, with what it was at when it failed where that can be."""

    task: str
    owner: Any
    name: str
    poke: Step
    works: Step
    error: BaseException = field(default_factory=lambda: KeyError("odd"))
    settings: Mapping[str, Any] = field(default_factory=dict)
    redis: bool = False

    def __str__(self) -> str:
        return self.task


async def _tick(scene: Scene) -> None:
    """No further than to the next one: a loop that failed is down for 0.1 s."""
    while scene.broken.calls == 0:
        await scene.clock.advance(0.05)


async def _announced(scene: Scene) -> None:
    scene.runtime.clients.registry.announce("press", "one", "http://press")  # type: ignore[attr-defined]  # the service's own
    await scene.hears("dskity/registry/press/one")


async def _ping(scene: Scene) -> None:
    await scene.device.send(Message("dskity/services/ping", b"", reply_to="pong", correlation=b"1"))


async def _pong(scene: Scene) -> None:
    await _ping(scene)
    await scene.hears("pong")


async def _lapse(scene: Scene) -> None:
    await scene.runtime.clients.kv.put("lapsed", 1, ttl_seconds=0.5)
    await scene.clock.advance(0.55)


async def _lapsed(scene: Scene) -> None:
    await scene.hears("dskity/kv/expired/lapsed")


async def _command(scene: Scene) -> None:
    await scene.runtime.clients.commands.execute("press", "stop", ttl=0.5)
    await scene.clock.advance(0.55)


async def _timed_out(scene: Scene) -> None:
    (execution,) = await scene.runtime.clients.commands.list("press")
    assert execution.state == State.TIMED_OUT


async def _keyed_command(scene: Scene) -> None:
    await scene.runtime.clients.commands.execute("press", "stop", idempotency_key="one")


async def _key_is_written(scene: Scene) -> None:
    kv = scene.runtime.clients.kv

    async def leads_to_what_was_sent() -> bool:
        (name,) = await kv.keys(PREFIX)
        return bool((await kv.get(name))["state"] == State.SENT)

    await until(leads_to_what_was_sent, "the key leads to the command that was sent")


async def _change(scene: Scene) -> None:
    await scene.runtime.clients.kv.put("changed", 1)


async def _changed(scene: Scene) -> None:
    await scene.hears("dskity/kv/set/changed")


async def _publish_offline(scene: Scene) -> None:
    scene.broker.stop()
    await scene.runtime.bus.publish("late")
    scene.broker.start()


async def _published(scene: Scene) -> None:
    await scene.hears("late")


async def _record(scene: Scene) -> None:
    await scene.device.publish("records/1", b"1")


async def _recorded(scene: Scene) -> None:
    await until(lambda: scene.recorder.recorded == [b"1"], "the message is handled, once")


async def _called_again(scene: Scene) -> None:
    calls = scene.broken.calls
    await scene.clock.advance(1)
    assert scene.broken.calls > calls


async def _watched(scene: Scene) -> None:
    watch = scene.runtime.clients.kv.watch("watched")

    async def change() -> None:
        await scene.runtime.clients.kv.put("watched", 1)  # what the feed missed is not repeated
        assert (await anext(watch)).key == "watched"

    await scene.passing(change(), "the watcher is told")


INBOX = "inbox recorder.Recorder.record"
LOOPS = [
    Loop("registry", ServiceRegistry, "_turn", _tick, _announced),
    Loop("registry: discovery", Discovery, "_answer", _ping, _pong),
    Loop("kv: expiry", MemoryStore, "_expire_due", _lapse, _lapsed),
    Loop("commands: deadlines", Deadlines, "_take", _command, _timed_out),
    Loop("kv events", BackgroundPublisher, "_publish_all", _change, _changed),
    Loop("outbox", Drain, "run", _publish_offline, _published, SystemExit("odd")),
    Loop(INBOX, StoredRoute, "_write", _record, _recorded),
    Loop(INBOX, StoredRoute, "_begin_more", _record, _recorded, SystemExit("odd")),
    Loop(
        "grpc health", Health, "refresh", _tick, _called_again,
        settings={"grpc": {"enabled": True}},
    ),
    Loop("kv: redis feed", RedisFeed, "_hear", _change, _watched, redis=True),
    Loop(
        "commands: idempotency keys", SharedKeys, "_write_pending",
        _keyed_command, _key_is_written, redis=True,
    ),
    Loop("kv: redis sweep", RedisStore, "_sweep_once", _lapse, _lapsed, redis=True),
]  # fmt: skip
