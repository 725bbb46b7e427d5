"""Middleware beside the other links: dedupe is outside it, and the disk inbox before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dskity.broker.aiomqtt.transport import AiomqttTransport
from dskity.broker.settings import ConnectionSettings, ProtocolChoice
from dskity.bus.bus import Bus
from dskity.bus.memory import MemoryBroker
from dskity.bus.message import Message
from dskity.bus.middleware import Call, Next
from dskity.handlers import Dedupe, Dispatcher, Reject, RetryPolicy
from tests.handlers.stored.test_stored_and_dedupe import on_disk, unacked
from tests.servers import HOST, ServerProcess, mosquitto
from tests.waiting import until


class Noting:
    """Notes what passes, and may fail on the first of it."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.seen: list[bytes] = []

    async def __call__(self, call: Call, message: Message, next: Next) -> Any:
        self.seen.append(message.payload)
        if self.failures:
            self.failures -= 1
            raise ValueError("not yet")
        return await next(call, replace(message, payload=message.payload.upper()))


async def test_a_duplicate_reaches_no_middleware(tmp_path: Path) -> None:
    async with on_disk(MemoryBroker(), tmp_path) as (bus, dispatcher, _, _):
        noting, got = Noting(), list[bytes]()

        async def handler(payload: bytes) -> None:
            got.append(payload)

        key = Dedupe(lambda message: message.payload.decode())
        await bus.subscribe("t", handler, dedupe=key, middleware=[noting])
        for payload in ("a", "b", "a"):
            await bus.publish("t", payload)
        stats = dispatcher.routes[0].stats
        await until(lambda: stats.duplicates == 1 and stats.handled == 2, "the third is known")
        assert (noting.seen, got) == ([b"a", b"b"], [b"A", b"B"])


async def test_the_dedupe_key_is_that_of_the_message_as_it_came(tmp_path: Path) -> None:
    async with on_disk(MemoryBroker(), tmp_path) as (bus, dispatcher, _, _):
        keys: list[bytes] = []

        def key(message: Message) -> str:
            keys.append(message.payload)
            return message.payload.decode()

        async def handler(payload: bytes) -> None: ...

        await bus.subscribe("t", handler, dedupe=Dedupe(key), middleware=[Noting()])
        await bus.publish("t", "a")
        await until(lambda: dispatcher.routes[0].stats.handled == 1, "it is handled")
    assert keys == [b"a"]


async def test_a_message_on_which_a_middleware_failed_is_no_duplicate(tmp_path: Path) -> None:
    async with on_disk(MemoryBroker(), tmp_path) as (bus, dispatcher, _, _):
        noting, got = Noting(failures=1), list[bytes]()

        async def handler(payload: bytes) -> None:
            got.append(payload)

        key, once = Dedupe(lambda _: "one"), RetryPolicy(attempts=1)
        await bus.subscribe("t", handler, dedupe=key, retry=once, middleware=[noting])
        for payload in ("a", "b", "c"):
            await bus.publish("t", payload)
        stats = dispatcher.routes[0].stats
        await until(lambda: stats.duplicates == 1, "the third is one")
        assert (got, stats.failed) == ([b"B"], 1)


async def test_a_stored_message_is_acknowledged_before_the_middleware_and_kept_as_it_came(
    tmp_path: Path,
) -> None:
    broker = MemoryBroker()
    async with on_disk(broker, tmp_path) as (bus, _, transport, inbox):

        async def hang(call: Call, message: Message, next: Next) -> Any:
            await bus.clock.sleep(3600)

        async def handler(payload: bytes) -> None: ...

        await bus.scope("m").subscribe("t", handler, ack="stored", timeout=None, middleware=[hang])
        await bus.publish("t", "a")
        await until(lambda: inbox.messages == 1 and not unacked(transport), "it is stored")
    async with on_disk(broker, tmp_path) as (bus, _, _, inbox):
        noting, got = Noting(), list[bytes]()

        async def handler(payload: bytes) -> None:
            got.append(payload)

        await bus.scope("m").subscribe("t", handler, ack="stored", middleware=[noting])
        await until(lambda: inbox.messages == 0, "it is handled in the next process")
        assert (noting.seen, got) == ([b"a"], [b"A"])


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with mosquitto() as server:
        yield server


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_on_mosquitto_bus_module_and_route_run_round_a_handler(
    server: ServerProcess, protocol: ProtocolChoice
) -> None:
    """A request, a retry and a dead letter, over a real broker."""
    log: list[str] = []

    def noting(name: str) -> Any:
        async def note(call: Call, message: Message, next: Next) -> Any:
            log.append(f"{name} {call.attempt}")
            return await next(call, message)

        return note

    async def refuse(call: Call, message: Message, next: Next) -> Any:
        if message.payload == b"refused":
            raise Reject("by the middleware")
        if call.attempt == 1:
            raise ValueError("the first attempt")
        return await next(call, message)

    settings = ConnectionSettings(
        f"mqtt://{HOST}:{server.port}", f"middleware-{protocol}", protocol=protocol
    )
    dispatcher = Dispatcher()
    bus = Bus(AiomqttTransport(settings), dispatcher, root=f"root-{protocol.replace('.', '-')}")
    await bus.start()
    try:
        await bus.link.wait_connected(5)
        bus.use(noting("bus"))
        scope = bus.scope("climate")
        scope.use(noting("module"))
        topic = f"t-{protocol}/a"

        async def double(number: int) -> int:
            log.append("handler")
            return 2 * number

        async def listen(payload: bytes, device: str) -> None:
            log.append(f"handler {device}")

        await scope.subscribe(f"ask-{protocol}", double, middleware=[noting("route")])
        assert (await bus.request(f"ask-{protocol}", 21, timeout=5)).json() == 42
        assert log == ["bus 1", "module 1", "route 1", "handler"]
        log.clear()
        retry = RetryPolicy(attempts=2, backoff=0)
        filter = f"t-{protocol}/{{device}}"
        await scope.subscribe(filter, listen, retry=retry, middleware=[refuse])
        async with bus.stream(f"{bus.root}/dead-letter/#", qos=1) as dead:
            await bus.publish(topic, b"taken")
            await until(lambda: "handler a" in log, "the second attempt")
            assert log == ["bus 1", "module 1", "bus 2", "module 2", "handler a"]
            await bus.publish(topic, b"refused")
            letter = await anext(dead)
        assert (letter.payload, letter.topic) == (b"refused", f"{bus.root}/dead-letter/{topic}")
    finally:
        await dispatcher.close()
        await bus.close()
