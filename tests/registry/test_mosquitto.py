"""Real wills: a runtime that dies is spoken for by one that lives, on MQTT 5 and on 3.1.1."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import pytest

from dskity.broker.aiomqtt.transport import AiomqttTransport
from dskity.broker.settings import ConnectionSettings, ProtocolChoice
from dskity.bus.bus import Bus
from dskity.handlers import Dispatcher
from dskity.modules.registry.service import ServiceRegistry
from tests.registry.runtimes import Heard, state
from tests.servers import HOST, ServerProcess, mosquitto, program
from tests.waiting import until

CHILD = """
import asyncio, sys
from tests.registry.test_mosquitto import open_bus
from dskity.modules.registry.service import ServiceRegistry

async def live(port, protocol):
    async with open_bus(port, "child", protocol) as bus:
        await bus.link.wait_connected(5)
        registry = ServiceRegistry(bus)
        await registry.start()
        await registry.register("pump", "p1", "http://p1")
        print("registered", flush=True)
        await asyncio.Event().wait()

asyncio.run(live(int(sys.argv[1]), sys.argv[2]))
"""


@asynccontextmanager
async def open_bus(port: int, name: str, protocol: ProtocolChoice) -> AsyncIterator[Bus]:
    """A runtime's bus, with the runtime's will."""
    settings = ConnectionSettings(
        f"mqtt://{HOST}:{port}", name, will=state(name, "lost"), protocol=protocol
    )
    bus = Bus(AiomqttTransport(settings), Dispatcher())
    await bus.start()
    try:
        yield bus
    finally:
        await bus.close()


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with mosquitto() as server:
        yield server


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_killed_process_is_lost_once_although_two_survive(
    server: ServerProcess, protocol: ProtocolChoice
) -> None:
    async with AsyncExitStack() as stack:
        heard = Heard()
        registries = []
        for name in ("one", "two"):
            bus = await stack.enter_async_context(open_bus(server.port, name, protocol))
            await bus.link.wait_connected(5)
            if name == "one":
                await heard.attach(bus)
            registry = ServiceRegistry(bus, grace_seconds=0.4)
            registries.append(registry)
            await registry.start()
            stack.push_async_callback(registry.stop)
            await registry.register("keeper", name, "")
        child = await asyncio.to_thread(
            subprocess.Popen,
            (sys.executable, "-c", CHILD, str(server.port), protocol),
            stdout=subprocess.PIPE,
        )
        try:
            assert child.stdout is not None
            assert await asyncio.to_thread(child.stdout.readline) == b"registered\n"
            await until(lambda: registry.services() == ["keeper", "pump"], "it is known")
            assert registry.resolve("pump").url == "http://p1"
        finally:
            child.kill()
            await asyncio.to_thread(child.communicate)
        await until(lambda: ("down", "p1", "lost") in heard.said, "it is lost")
        for registry in registries:
            await until(partial(_forgets, registry), "all have it cleared")
        assert "pump/p1" not in heard.entries
        assert heard.facts.count(("down", "p1", "lost")) == 1
        assert heard.said == heard.facts


def _forgets(registry: ServiceRegistry) -> bool:
    return ("pump", "p1") not in registry._others._known


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_broker_that_restarts_without_its_retained_entries_is_told_again(
    protocol: ProtocolChoice,
) -> None:
    with mosquitto() as server:
        async with open_bus(server.port, "one", protocol) as bus:
            await bus.link.wait_connected(5)
            registry = ServiceRegistry(bus, grace_seconds=0.4)
            await registry.start()
            await registry.register("pump", "p1", "http://p1")
            await asyncio.to_thread(server.restart)
            async with open_bus(server.port, "observer", protocol) as observer:
                heard = Heard()
                await heard.attach(observer)
                await until(lambda: "pump/p1" in heard.entries, "it is retained again")
            await registry.stop()


async def test_a_plain_client_reads_the_registry(server: ServerProcess) -> None:
    async with open_bus(server.port, "plain", "5") as bus:
        await bus.link.wait_connected(5)
        registry = ServiceRegistry(bus)
        await registry.start()
        await registry.register("pump", "p+1", "http://p1")
        command = (program("mosquitto_sub", "mosquitto-clients"), "-p", str(server.port), "-C", "1")
        output = await asyncio.to_thread(
            subprocess.check_output, (*command, "-v", "-t", "dskity/registry/pump/+"), timeout=10
        )
        topic, _, payload = output.decode().partition(" ")
        assert topic == "dskity/registry/pump/p%2B1"
        assert json.loads(payload)["url"] == "http://p1"
        await registry.stop()
