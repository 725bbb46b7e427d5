"""Every loop of a runtime fails once, from inside: it is seen, and goes on."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from dskity.bus.base import tasks
from dskity.bus.base.clock import VirtualClock
from dskity.bus.errors import RemoteError
from dskity.modules.clients.answering import Answering
from dskity.modules.http.wire.connections import Connections
from dskity.testing import Runtimes, ScriptedBroker, http_client, isolated_settings, memory_bus
from tests.breaking import Broken, errors_of
from tests.runtime.house import started
from tests.runtime.loops import LOOPS, Loop, Recorder, Scene
from tests.servers import HOST, redis_server
from tests.waiting import until


@asynccontextmanager
async def scene(
    loop: Loop, folder: Path, patch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Scene, httpx.AsyncClient]]:
    """The runtime, started and at rest; then the loop is broken."""
    clock = VirtualClock()
    broker, recorder = ScriptedBroker(clock=clock), Recorder()
    async with AsyncExitStack() as stack:
        settings: dict[str, Any] = dict(loop.settings)
        if loop.redis:
            server = stack.enter_context(redis_server())
            settings["kv"] = {
                "store": "redis", "redis": {"url": f"redis://{HOST}:{server.port}/0"},
            }  # fmt: skip
        device = await stack.enter_async_context(
            memory_bus(broker.transport("device"), clock=clock)
        )
        heard = await stack.enter_async_context(device.stream("#", limit=10_000))
        runtimes = Runtimes(isolated_settings(folder, **settings), broker)
        stack.push_async_callback(runtimes.close)
        runtime = await runtimes(recorder, clock=clock)
        await clock.advance(2)
        http = await stack.enter_async_context(http_client(runtime.app))
        broken = Broken(patch, loop.owner, loop.name, loop.error)
        yield Scene(runtime, broker, clock, recorder, device, heard, broken), http


async def reasons(http: httpx.AsyncClient) -> dict[str, str]:
    """The reason of each check of readiness that is not well."""
    checks = (await http.get("/health/ready")).json()["checks"]
    return {name: one["reason"] for name, one in checks.items() if one["status"] != "ok"}


@pytest.mark.parametrize("loop", LOOPS, ids=str)
async def test_a_loop_that_fails_is_shown_and_goes_on(
    loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its name is in the log, in readiness while it is down, and in the metrics from then on."""
    async with scene(loop, tmp_path, monkeypatch) as (stage, http):
        await loop.poke(stage)
        await until(lambda: any(loop.task in line for line in errors_of(caplog)), "the log line")
        shown = await reasons(http)
        assert list(shown) == ["tasks"]
        assert loop.task in shown["tasks"]
        assert "odd" in shown["tasks"]
        assert f'dskity_task_errors_total{{task="{loop.task}' in (await http.get("/metrics")).text
        await stage.clock.advance(tasks.SHORTEST_PAUSE)
        assert await reasons(http) == {}
        await loop.works(stage)
        assert await reasons(http) == {}


@pytest.mark.parametrize(
    ("task", "topic"),
    [
        ("kv: requests", "kv/keys"),
        ("commands: requests", "commands/execute"),
        ("dead letters: requests", "dead-letters/list"),
    ],
)
async def test_requests_are_answered_though_their_loop_failed(
    task: str,
    topic: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It subscribes when the broker comes, fails from inside, and does so again."""
    clock = VirtualClock()
    broker = ScriptedBroker(clock=clock)
    broker.stop()
    original, failed = Answering._subscribe, list[str]()

    async def fail_once(self: Answering, of: str, *rest: Any, **named: Any) -> None:
        if of == topic and not failed:
            failed.append(of)
            raise KeyError("odd")
        await original(self, of, *rest, **named)

    monkeypatch.setattr(Answering, "_subscribe", fail_once)
    runtimes = Runtimes(isolated_settings(tmp_path), broker)
    try:
        runtime = await runtimes(clock=clock)
        async with http_client(runtime.app) as http:
            broker.start()

            async def logged() -> bool:
                await clock.advance(0.05)
                return any(task in line for line in errors_of(caplog))

            await until(logged, "the log line")
            assert task in (await reasons(http))["tasks"]
            await clock.advance(tasks.SHORTEST_PAUSE)
            async with memory_bus(broker.transport("device"), clock=clock) as device:
                await device.link.wait_connected(5)
                with contextlib.suppress(RemoteError):  # an error is an answer, too
                    await device.request(f"dskity/{topic}", b"{}")
            assert "tasks" not in await reasons(http)
    finally:
        await runtimes.close()


@pytest.mark.parametrize(
    ("task", "owner", "name"),
    [
        ("http server: ticks", uvicorn.Server, "on_tick"),
        ("http server: time-outs", Connections, "sweep"),
    ],
)
async def test_the_loops_of_the_http_server_go_on(
    task: str,
    owner: Any,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """uvicorn's, which keeps the `date` header, and the time-outs; they use the machine's clock."""
    shown: list[dict[str, str]] = []

    class Watch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            shown.append(dict(tasks.health().failing))

    watch = Watch()
    logging.getLogger("dskity.bus.base.tasks").addHandler(watch)
    try:
        async with started(tmp_path, grpc={"enabled": False}) as house:
            broken = Broken(monkeypatch, owner, name, KeyError("odd"))
            await until(lambda: shown, "the log line")
            assert shown == [{task: "KeyError: 'odd'"}]
            assert task in errors_of(caplog)[0]
            await until(lambda: broken.calls > 1, "it goes on")
            assert await house.unready() == {}
    finally:
        logging.getLogger("dskity.bus.base.tasks").removeHandler(watch)


async def test_each_runtime_shows_its_own_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of them in one process: the fault of one is none of the other's."""
    (loop,) = [loop for loop in LOOPS if loop.task == "registry: discovery"]
    async with scene(loop, tmp_path, monkeypatch) as (stage, http):
        runtimes = Runtimes(isolated_settings(tmp_path), stage.broker)
        try:
            other = await runtimes(name="other", clock=stage.clock)
            async with http_client(other.app) as its_http:

                async def shown() -> list[int]:
                    return sorted([len(await reasons(http)), len(await reasons(its_http))])

                async def by_one() -> bool:
                    return await shown() == [0, 1]

                await loop.poke(stage)
                await until(by_one, "one of them shows it")
                assert await shown() == [0, 1]
        finally:
            await runtimes.close()
