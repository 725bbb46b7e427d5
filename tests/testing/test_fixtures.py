"""The fixtures as a project of a user's has them, here in a project of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.bus.bus import Bus
from dskity.bus.errors import InvalidSettings
from dskity.bus.message import Message
from dskity.bus.middleware import Call, Next
from dskity.config import DSkitySettings
from dskity.handlers import RetryPolicy
from dskity.modules import Module, ModuleMeta, TransportClients, on
from dskity.testing import Runtimes, ScriptedBroker, http_client, isolated_settings, record, until


class Echo(Module):
    meta = ModuleMeta(name="echo", base_path="/echo")

    def register(self, clients: TransportClients, config: Any) -> None:
        @clients.http.get(f"{self.meta.base_path}/ping")  # type: ignore[untyped-decorator]  # the app is Any
        async def ping() -> dict[str, str]:
            return {"pong": config.name}

    @on("echo/{device}", timeout=None)
    async def echo(self, message: Message, device: str, bus: Bus) -> None:
        await bus.publish(f"echoed/{device}", message.payload)


@pytest.fixture
def dskity_modules() -> Sequence[Any]:
    return [Echo()]


async def test_a_module_runs_in_memory_and_a_device_talks_to_it(
    dskity_runtime: Runtimes, bus: Bus
) -> None:
    runtime = await dskity_runtime(Echo())
    assert runtime.http is None
    assert runtime.grpc is None
    assert runtime.supervisor.states()["echo"].state == "started"
    async with record(bus, "echoed/#") as echoed:
        await bus.publish("echo/a", "hello")
        await until(lambda: echoed, "the echo")
    assert (echoed[0].topic, echoed[0].payload) == ("echoed/a", b"hello")


async def test_a_runtime_has_the_middleware_that_the_test_gives_it(
    dskity_runtime: Runtimes, bus: Bus
) -> None:
    async def loud(call: Call, message: Message, next: Next) -> Any:
        return await next(call, replace(message, payload=message.payload.upper()))

    await dskity_runtime(Echo(), middleware=[loud])
    async with record(bus, "echoed/#") as echoed:
        await bus.publish("echo/a", "hello")
        await until(lambda: echoed, "the echo")
    assert echoed[0].payload == b"HELLO"


async def test_the_app_serves_the_modules_of_the_project(
    dskity_client: httpx.AsyncClient, dskity_settings: DSkitySettings
) -> None:
    answer = await dskity_client.get("/echo/ping")
    assert (answer.status_code, answer.json()) == (200, {"pong": dskity_settings.name})


async def test_what_is_published_by_http_reaches_a_device(
    dskity_client: httpx.AsyncClient, bus: Bus
) -> None:
    async with bus.stream("hello") as heard:
        assert (await dskity_client.post("/topics/hello", json=1)).status_code == 202
        assert (await anext(heard)).json() == 1


async def test_two_runtimes_live_on_one_broker(dskity_runtime: Runtimes) -> None:
    one = await dskity_runtime(name="one")
    two = await dskity_runtime(name="two")
    assert (one.bus.client_id, two.bus.client_id) == ("one", "two")
    async with two.bus.stream("hello") as heard, http_client(one.app) as client:
        await client.post("/topics/hello", json=1)
        assert (await anext(heard)).json() == 1


async def test_one_name_is_one_runtime_at_a_time(dskity_runtime: Runtimes) -> None:
    await dskity_runtime()
    with pytest.raises(InvalidSettings, match="in use by another runtime"):
        await dskity_runtime()


async def test_the_next_process_of_a_killed_runtime_gets_what_came_meanwhile(
    dskity_runtime: Runtimes, dskity_broker: ScriptedBroker, bus: Bus
) -> None:
    async with record(bus, "#") as seen:
        runtime = await dskity_runtime(Echo())
        dskity_broker.client(runtime.bus).kill()
        await runtime.close()
        await bus.publish("echo/a", 1)
        await dskity_runtime(Echo())
        await until(lambda: any(m.topic == "echoed/a" for m in seen), "the echo")
    states = [m.json()["state"] for m in seen if m.topic == "dskity/runtime/runtime/state"]
    assert "lost" in states


async def test_a_runtime_with_a_lost_acknowledgement_sees_a_message_twice(
    dskity_runtime: Runtimes, dskity_broker: ScriptedBroker, bus: Bus
) -> None:
    runtime = await dskity_runtime(Echo())
    async with record(bus, "echoed/#") as echoed:
        line = dskity_broker.client(runtime.bus)
        line.drop_acks(filter="echo/+")
        await bus.publish("echo/a", 1)
        await until(lambda: len(echoed) == 1, "the echo")
        line.cut()
        await until(lambda: len(echoed) == 2, "the echo of the duplicate")


async def test_time_stands_still_until_the_test_moves_it(clock: VirtualClock, bus: Bus) -> None:
    attempts: list[float] = []
    started = clock.time()

    async def fail(message: Message) -> None:
        attempts.append(clock.time() - started)
        raise ValueError("always")

    await bus.subscribe("t", fail)
    await bus.publish("t", 1)
    await until(lambda: attempts, "the first attempt")
    assert attempts == [0.0]
    await clock.advance(60)
    assert len(attempts) == 3


async def test_a_bus_has_an_outbox_an_inbox_and_a_record_of_keys(
    dskity_broker: ScriptedBroker, bus: Bus
) -> None:
    handled: list[Message] = []
    await bus.subscribe("t", handled.append, ack="stored")
    dskity_broker.stop()
    assert (await bus.publish("t", 1)).accepted == "outbox"
    dskity_broker.start()
    await until(lambda: handled, "the message")


def test_settings_of_a_test_read_nothing_and_open_nothing(
    dskity_settings: DSkitySettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DSKITY_NAME", "of the machine")
    (tmp_path / "settings.yaml").write_text("name: of a file\n")
    monkeypatch.chdir(tmp_path)
    settings = isolated_settings(tmp_path, http={"max_body_bytes": 10}, port=8123)
    assert (settings.name, settings.http.enabled) == ("Dskity", False)
    assert (settings.http.max_body_bytes, settings.port) == (10, 8123)
    assert (settings.broker.engine, settings.modules_search_paths) == ("none", ())
    assert not dskity_settings.grpc.enabled
    assert dskity_settings.state_dir != settings.state_dir


async def test_a_runtime_lives_by_the_clock_that_it_is_given(
    dskity_runtime: Runtimes, bus: Bus, clock: VirtualClock
) -> None:
    class Hang(Module):
        meta = ModuleMeta(name="hang", base_path="/hang")

        @on("hang", timeout=60, retry=RetryPolicy(attempts=1))
        async def hang(self, message: Message) -> None:
            await asyncio.Event().wait()

    runtime = await dskity_runtime(Hang(), clock=clock)
    await runtime.clients.kv.put("key", 1, ttl_seconds=50)
    async with (
        record(bus, "dskity/kv/expired/#") as expired,
        record(bus, "dskity/dead-letter/hang") as dead,
    ):
        await bus.publish("hang", b"")
        running = runtime.core.dispatcher._pool.running
        await until(lambda: any("hang" in rest.name for rest in running.values()), "it")
        await clock.advance(49)
        assert (await runtime.clients.kv.get("key"), expired, dead) == (1, [], [])
        await clock.advance(2)
        assert await runtime.clients.kv.get("key") is None
        await until(lambda: expired, "the event")
        assert dead == []
        await clock.advance(10)
        await until(lambda: dead, "the time-out")
