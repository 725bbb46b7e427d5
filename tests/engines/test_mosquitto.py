"""mosquitto as our child: a real one, killed, restarted, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dskity.broker.engines.listen import Listen
from dskity.broker.engines.mosquitto import ManagedMosquitto
from dskity.broker.engines.process_supervisor import Crash
from dskity.broker.users import hash_password
from dskity.bus.errors import EngineError, InvalidSettings
from tests.engines.device import Device, device
from tests.servers import listening, program
from tests.waiting import until


@contextlib.asynccontextmanager
async def managed(
    state_dir: Path, listen: Listen | None = None, crashes: list[Crash] | None = None
) -> AsyncIterator[tuple[ManagedMosquitto, int]]:
    """A running engine and its port."""
    engine = ManagedMosquitto(
        program("mosquitto", "mosquitto"),
        listen or Listen(port=0),
        state_dir,
        on_crash=None if crashes is None else crashes.append,
    )
    await engine.start()
    try:
        yield engine, urlsplit(engine.url).port or 0
    finally:
        await engine.stop()


async def test_it_is_ready_when_start_returns(tmp_path: Path) -> None:
    async with managed(tmp_path / "state") as (engine, port):
        assert engine.healthy
        async with device(port) as one:
            await one.subscribe("greeting")
            await one.publish("greeting", b"hello")
            await until(lambda: one.received, "the message")
        assert one.received == [("greeting", b"hello", 1, False)]


async def test_retained_and_queued_messages_survive_a_restart(tmp_path: Path) -> None:
    async with managed(tmp_path) as (_, port):
        async with device(port, "sleeper", clean=False) as sleeper:
            await sleeper.subscribe("alarms")
        async with device(port) as other:
            await other.publish("state", b"on", retain=True)
            await other.publish("alarms", b"fire")
    async with managed(tmp_path) as (_, port), device(port, "sleeper", clean=False) as sleeper:
        assert sleeper.resumed
        await sleeper.subscribe("state")
        await until(lambda: len(sleeper.received) == 2, "both")
    assert sorted(sleeper.received) == [("alarms", b"fire", 1, False), ("state", b"on", 1, True)]


async def test_one_that_does_not_come_back_is_tried_again_until_it_does(tmp_path: Path) -> None:
    crashes: list[Crash] = []
    async with managed(tmp_path, crashes=crashes) as (engine, port):
        assert engine.pid is not None
        conf = tmp_path / "mosquitto" / "mosquitto.conf"
        good = conf.read_text()
        conf.write_text(f"{good}no_such_option 1\n")
        os.kill(engine.pid, signal.SIGKILL)
        await until(lambda: len(crashes) >= 2, "a second attempt")
        assert not engine.healthy
        assert "Unknown configuration variable" in crashes[1].reason
        conf.write_text(good)
        await until(lambda: engine.healthy, "it is back")
        assert listening(port)


async def test_one_that_does_not_start_says_its_last_words(tmp_path: Path) -> None:
    base = tmp_path / "base.conf"
    base.write_text("no_such_option true\n")
    engine = ManagedMosquitto(
        program("mosquitto", "mosquitto"), Listen(port=0), tmp_path, base=base
    )
    with pytest.raises(EngineError, match=r"Unknown configuration variable .no_such_option"):
        await engine.start()
    assert not engine.healthy


async def test_a_program_that_is_not_there_is_an_engine_error(tmp_path: Path) -> None:
    engine = ManagedMosquitto(str(tmp_path / "nothing"), Listen(port=0), tmp_path)
    with pytest.raises(EngineError, match="ended at once"):
        await engine.start()


async def test_with_a_users_file_only_the_right_password_enters(tmp_path: Path) -> None:
    """The same file, with our hashes, as the embedded broker reads."""
    users = tmp_path / "users"
    users.write_text(f"# people\n\nana:{hash_password('right')}\n")
    async with managed(tmp_path, Listen(port=0, users_file=users)) as (_, port):
        async with device(port, user=("ana", "right")):
            pass
        for user in (("ana", "wrong"), ("bob", "right"), None):
            refused = Device(port, user=user)
            assert await refused.connect() == 135  # not authorised
            await refused.disconnect()


async def test_a_bad_users_file_is_refused_before_anything_starts(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("ana:plain\n")
    engine = ManagedMosquitto("/usr/sbin/mosquitto", Listen(port=0, users_file=users), tmp_path)
    with pytest.raises(InvalidSettings, match="line 1"):
        await engine.start()


async def test_an_acl_file_decides_on_topics(tmp_path: Path) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite mine/#\n")
    listen = Listen(port=0, acl_file=acl)
    async with managed(tmp_path, listen) as (_, port), device(port) as one:
        await one.subscribe("#")
        await one.publish("yours/a")
        await one.publish("mine/a")
        await until(lambda: one.received, "the allowed one")
    assert [topic for topic, *_ in one.received] == ["mine/a"]


async def test_websocket_clients_reach_it(tmp_path: Path) -> None:
    async with managed(tmp_path, Listen(port=0, websocket_port=0)) as (engine, port):
        assert engine.websocket_port
        async with (
            device(engine.websocket_port, transport="websockets") as browser,
            device(port) as sensor,
        ):
            await browser.subscribe("up")
            await sensor.publish("up", b"1")
            await until(lambda: browser.received, "over WebSocket")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_its_websocket_listener_keeps_to_the_host_too(host: str, tmp_path: Path) -> None:
    """Who listens everywhere answers at 127.0.0.2 as well."""
    async with managed(tmp_path, Listen(host, port=0, websocket_port=0)) as (engine, _):
        assert engine.websocket_port
        async with device(engine.websocket_port, transport="websockets"):
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.2", engine.websocket_port)


async def test_one_that_ignores_sigterm_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dskity.broker.engines.process_supervisor.STOP_WITHIN", 0.2)
    async with managed(tmp_path) as (engine, port):
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGSTOP)
        await engine.stop()
        assert not listening(port)
