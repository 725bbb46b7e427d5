"""Brokers as our children: real ones, killed, started again, stopped, left alone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dskity.broker.engines.listen import Listen, bind
from dskity.broker.engines.managed import ManagedBroker
from dskity.broker.engines.mosquitto import ManagedMosquitto
from dskity.broker.engines.process_supervisor import Crash
from dskity.broker.engines.reachable import speaks_mqtt
from dskity.broker.engines.rumqttd import ManagedRumqttd
from dskity.bus.errors import EngineError
from tests.servers import HOST, listening, need_rumqttd, program
from tests.waiting import until

RUNTIME = """
import asyncio, pathlib, sys
from dskity.broker.engines.engine import choose_engine
from dskity.broker.engines.listen import Listen

async def main():
    name, folder = sys.argv[1:]
    engine = choose_engine(name, None, listen=Listen(port=0), state_dir=pathlib.Path(folder))
    await engine.start()
    print(engine.pid, engine.url, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
Make = Callable[..., ManagedBroker]


@pytest.fixture(params=["mosquitto", "rumqttd"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Makes an engine; it takes a `Listen` and the keywords of both."""
    if request.param == "rumqttd":
        need_rumqttd()
        return lambda listen, **keywords: ManagedRumqttd(listen, tmp_path, **keywords)
    path = program("mosquitto", "mosquitto")
    return lambda listen, **keywords: ManagedMosquitto(path, listen, tmp_path, **keywords)


@contextlib.asynccontextmanager
async def running(engine: ManagedBroker) -> AsyncIterator[int]:
    """The port of an engine that runs."""
    await engine.start()
    try:
        yield urlsplit(engine.url).port or 0
    finally:
        await engine.stop()


def group(pid: int) -> list[int]:
    """The living processes of a process group."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            number, _, rest = stat.read_text().partition(" (")
            state, _, process_group = rest.rpartition(") ")[2].split()[:3]
            if int(process_group) == pid and state != "Z":
                found.append(int(number))
    return found


async def test_it_speaks_mqtt_when_start_returns(make: Make) -> None:
    engine = make(Listen(port=0))
    assert not engine.healthy
    async with running(engine) as port:
        assert engine.healthy
        assert await speaks_mqtt(HOST, port, version=5)
        with pytest.raises(EngineError, match="already running"):
            await engine.start()


async def test_stop_leaves_no_process_and_no_port(make: Make) -> None:
    engine = make(Listen(port=0))
    async with running(engine) as port:
        pid = engine.pid
        assert pid is not None
        assert os.getsid(pid) != os.getsid(0), "Ctrl-C must reach us alone"
        await engine.stop()
        assert not engine.healthy
        assert not listening(port)
        await until(lambda: not group(pid), "all of the group gone")
        await engine.stop()  # again does nothing


async def test_a_killed_one_is_reported_and_back_on_the_same_port(make: Make) -> None:
    crashes: list[Crash] = []
    engine = make(Listen(port=0), on_crash=crashes.append)
    async with running(engine) as port:
        first = engine.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: crashes, "the report")
        await until(lambda: engine.healthy and engine.pid != first, "another one")
        assert await speaks_mqtt(HOST, port, version=5)
        await until(lambda: not group(first), "nothing left of the first")
    assert len(crashes) == 1
    assert crashes[0].reason == f"{engine.name} exited unexpectedly (signal 9)"
    assert 0 <= crashes[0].restart_in <= 0.2


@pytest.mark.parametrize("name", ["mosquitto", "rumqttd"])
async def test_it_dies_with_us_when_we_are_killed(name: str, tmp_path: Path) -> None:
    """`kill -9` of the runtime tells nobody; the pipe that only it held open does."""
    if name == "rumqttd":
        need_rumqttd()
    else:
        program("mosquitto", "mosquitto")
    command = (sys.executable, "-c", RUNTIME, name, str(tmp_path))
    runtime = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert runtime.stdout is not None
    pid, url = (await runtime.stdout.readline()).split()
    assert group(int(pid))
    runtime.kill()
    await runtime.wait()
    await until(lambda: not group(int(pid)), "the broker and its watcher gone")
    assert not listening(urlsplit(url.decode()).port or 0)


async def test_a_port_in_use_is_named_with_the_setting_and_the_mend(make: Make) -> None:
    (taken,) = bind("127.0.0.1", 0, "broker.port")
    port = taken.getsockname()[1]
    engine = make(Listen(port=port))
    with taken, pytest.raises(EngineError) as caught:
        await engine.start()
    assert str(caught.value) == (
        f"port {port} on 127.0.0.1 is already in use: set broker.port to a free port, "
        f"or common.mqtt.url to mqtt://127.0.0.1:{port} to use the broker that is there"
    )
    assert not engine.healthy
    await engine.stop()


async def test_a_state_dir_that_cannot_be_written_is_named(make: Make, tmp_path: Path) -> None:
    engine = make(Listen(port=0))
    (tmp_path / engine.name).write_text("a file where the folder goes")
    with pytest.raises(EngineError, match="set state_dir to a writable directory"):
        await engine.start()
