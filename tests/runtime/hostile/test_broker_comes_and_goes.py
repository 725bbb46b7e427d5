"""A runtime whose broker is away, silent, hostile, or killed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from pathlib import Path

from dskity.broker.engines.mosquitto import ManagedMosquitto
from tests.engines.device import device
from tests.runtime.house import COUNTER, House, on_broker, started, write_module
from tests.servers import HOST, free_port, mosquitto
from tests.waiting import until

APPEARS_WITHIN = 2.0  # seconds from the broker's start to a connection, as is promised
AT_ONCE = 0.1  # seconds that an HTTP answer may take while the broker is away


async def handles_telemetry(house: House, port: int) -> None:
    """A device's reading goes through the module `counter`."""
    async with device(port) as sensor:
        await sensor.subscribe("devices/d1/handled")
        await sensor.publish("devices/d1/telemetry", b'{"celsius": 21.5}')
        await until(lambda: sensor.received, "the reading is handled")


async def test_it_starts_without_a_broker_and_connects_when_there_is_one(tmp_path: Path) -> None:
    """With all handlers subscribed; until then it is alive, and not ready for a stated reason."""
    write_module(tmp_path, "counter.py", COUNTER)
    with mosquitto(port=free_port(), up=False) as broker:
        async with started(tmp_path, common=on_broker(broker.port)) as house:
            assert (await house.http.get("/health/live")).status_code == 200
            unready = await house.unready()
            assert list(unready) == ["mqtt"]
            assert "connection refused" in unready["mqtt"]
            assert house.runtime.supervisor.states()["counter"].state == "started"
            await asyncio.to_thread(broker.start)
            began = time.monotonic()
            await until(lambda: house.runtime.bus.connected, "connected", APPEARS_WITHIN)
            assert time.monotonic() - began < APPEARS_WITHIN
            assert await house.unready() == {}
            await handles_telemetry(house, broker.port)


async def test_what_is_published_while_the_broker_is_away_arrives(tmp_path: Path) -> None:
    """QoS 1 is kept in the outbox; QoS 0 is refused at once."""
    with mosquitto(port=free_port(), up=False) as broker:
        async with started(tmp_path, common=on_broker(broker.port)) as house:
            kept = await house.http.post("/topics/panel", content=b"later")
            assert (kept.status_code, kept.json()["accepted"]) == (202, "outbox")
            refused = await house.http.post("/topics/panel?qos=0", content=b"now or never")
            assert refused.status_code == 503
            assert refused.headers["content-type"] == "application/problem+json"
            async with house.runtime.bus.stream("panel", qos=1) as panel:
                await asyncio.to_thread(broker.start)
                async with asyncio.timeout(10):
                    assert (await anext(panel)).payload == b"later"


async def test_a_killed_broker_of_ours_comes_back_and_telemetry_flows_again(
    tmp_path: Path,
) -> None:
    """kill -9 of the managed mosquitto: readiness tells, and the same port is served again."""
    write_module(tmp_path, "counter.py", COUNTER)
    async with started(tmp_path, broker={"engine": "mosquitto"}) as house:
        engine = house.runtime.core.engine
        assert isinstance(engine, ManagedMosquitto)
        port, killed = house.broker_port, engine.pid
        await handles_telemetry(house, port)
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        await until(lambda: not house.runtime.bus.connected, "the loss is noticed")
        assert "mqtt" in await house.unready()
        await until(lambda: house.runtime.bus.connected, "connected again")
        assert engine.pid not in {None, killed}
        assert await house.unready() == {}
        await handles_telemetry(house, port)


async def test_a_wrong_password_is_the_reason_of_not_being_ready(tmp_path: Path) -> None:
    """The doors are open all the same."""
    with mosquitto(users={"greenhouse": "the right one"}) as broker:
        wrong = on_broker(broker.port, username="greenhouse", password="a wrong one")
        async with started(tmp_path, common=wrong) as house:
            reason = (await house.unready())["mqtt"]
            assert "not authorized" in reason.lower() or "password" in reason.lower()
            assert "a wrong one" not in reason


async def test_a_broker_that_never_answers_does_not_slow_http(tmp_path: Path) -> None:
    """A port that accepts and is silent, as a black hole behind a firewall is."""
    with socket.create_server((HOST, 0)) as hole:
        silent = on_broker(hole.getsockname()[1], connect_timeout=30.0)
        async with started(tmp_path, common=silent) as house:
            for path in ("/topics/panel?qos=0", "/topics/panel", "/requests/panel"):
                began = time.perf_counter()
                answer = await house.http.post(path, content=b"hello")
                assert time.perf_counter() - began < AT_ONCE, path
                assert answer.status_code == (202 if path == "/topics/panel" else 503)
            assert (await house.http.get("/health/live")).status_code == 200
            assert "mqtt" in await house.unready()
