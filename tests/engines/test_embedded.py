"""The brokers in our process: starting, users, WebSocket, stopping."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dskity.broker.engines.amqtt.engine import AmqttBroker
from dskity.broker.engines.builtin.engine import BuiltinBroker
from dskity.broker.engines.listen import Listen
from dskity.broker.users import hash_password
from dskity.bus.errors import EngineError, Unsupported
from tests.engines.conftest import Ours, running
from tests.engines.device import HOST, Device, device
from tests.servers import free_port, listening, program
from tests.waiting import until


@contextlib.asynccontextmanager
async def embedded(
    listen: Listen | None = None, *, make: Ours
) -> AsyncIterator[tuple[AmqttBroker | BuiltinBroker, int]]:
    """A running engine and its port."""
    engine = make(listen or Listen(port=0))
    await engine.start()
    try:
        yield engine, urlsplit(engine.url).port or 0
    finally:
        await engine.stop()


@contextlib.asynccontextmanager
async def built_in(listen: Listen) -> AsyncIterator[tuple[BuiltinBroker, int]]:
    """A running built-in broker and its port; it alone of these has WebSocket."""
    engine = BuiltinBroker(listen)
    async with running(engine) as port:
        yield engine, port


async def test_port_0_takes_a_free_port_and_the_url_tells_it(make: Ours) -> None:
    async with embedded(make=make) as (engine, port):
        assert engine.healthy
        assert engine.url == f"mqtt://127.0.0.1:{port}"
        async with device(port) as one:
            await one.subscribe("greeting")
            await one.publish("greeting", b"hello")
            await until(lambda: one.received, "the message")
        assert one.received == [("greeting", b"hello", 1, False)]


async def test_mosquittos_own_clients_talk_to_it(make: Ours) -> None:
    sub = program("mosquitto_sub", "mosquitto-clients")
    pub = program("mosquitto_pub", "mosquitto-clients")
    async with embedded(make=make) as (_, port):
        where = ("-h", HOST, "-p", str(port))
        publisher = await asyncio.create_subprocess_exec(
            pub, *where, "-t", "state", "-m", "on", "-q", "1", "-r"
        )
        assert await publisher.wait() == 0
        subscriber = await asyncio.create_subprocess_exec(
            sub, *where, "-t", "state", "-C", "1", "-W", "10", stdout=asyncio.subprocess.PIPE
        )
        output, _ = await subscriber.communicate()
        assert output == b"on\n"


async def test_two_run_in_one_process_and_do_not_hear_each_other(make: Ours) -> None:
    async with embedded(make=make) as (_, first), embedded(make=make) as (_, second):
        async with device(first) as here, device(second) as there:
            await here.subscribe("#")
            await there.subscribe("#")
            await here.publish("a")
            await there.publish("b")
            await until(lambda: here.received and there.received, "both")
        assert [topic for topic, *_ in here.received] == ["a"]
        assert [topic for topic, *_ in there.received] == ["b"]


async def test_after_stop_the_port_is_free_and_no_client_is_left(make: Ours) -> None:
    """The fixture of all tests checks that no task is left either."""
    async with embedded(make=make) as (engine, port):
        client = Device(port)
        await client.connect()
        silent = socket.create_connection((HOST, port))
        await engine.stop()
        assert not engine.healthy
        assert not listening(port)
        silent.close()
        client.client.disconnect()
        await asyncio.to_thread(client.client.loop_stop)
        await engine.stop()  # again does nothing


async def test_it_starts_again_after_a_stop_and_not_before(make: Ours) -> None:
    async with embedded(make=make) as (engine, _):
        with pytest.raises(EngineError, match="already running"):
            await engine.start()
        await engine.stop()
        await engine.start()
        async with device(urlsplit(engine.url).port or 0) as one:
            await one.publish("a")


async def test_a_client_that_reads_nothing_does_not_hold_up_the_stop(
    make: Ours,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with embedded(make=make) as (engine, port):
        stuck = socket.create_connection((HOST, port))
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.sendall(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01s")
        stuck.sendall(b"\x82\x06\x00\x01\x00\x01t\x00")
        async with device(port) as other:
            for _ in range(12):
                await other.publish("t", bytes(1_000_000), qos=1)
        await asyncio.wait_for(engine.stop(), 15)
        stuck.close()
    assert "Traceback" not in caplog.text


async def test_a_port_in_use_is_named_with_the_setting_and_the_mend(make: Ours) -> None:
    async with embedded(make=make) as (_, port):
        with pytest.raises(EngineError) as caught:
            await make(Listen(port=port)).start()
    assert str(caught.value) == (
        f"port {port} on 127.0.0.1 is already in use: set broker.port to a free port, "
        f"or common.mqtt.url to mqtt://127.0.0.1:{port} to use the broker that is there"
    )


async def test_a_websocket_port_in_use_leaves_the_mqtt_port_free() -> None:
    port = free_port()
    async with built_in(Listen(port=0)) as (_, taken):
        with pytest.raises(EngineError, match=r"set broker\.websocket_port to a free port$"):
            await BuiltinBroker(Listen(port=port, websocket_port=taken)).start()
    assert not listening(port)


async def test_websocket_clients_and_tcp_clients_share_the_broker() -> None:
    async with built_in(Listen(port=0, websocket_port=0)) as (engine, port):
        assert engine.websocket_port
        async with (
            device(engine.websocket_port, transport="websockets") as browser,
            device(port) as sensor,
        ):
            await browser.subscribe("up")
            await sensor.subscribe("down")
            await sensor.publish("up", b"1")
            await browser.publish("down", b"2")
            await until(lambda: browser.received and sensor.received, "both directions")


async def test_with_a_users_file_only_the_right_password_enters(make: Ours, tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text(f"# people\n\nana:{hash_password('right')}\n")
    async with embedded(Listen(port=0, users_file=users), make=make) as (_, port):
        async with device(port, user=("ana", "right")):
            pass
        for user in (("ana", "wrong"), ("bob", "right"), None):
            refused = Device(port, user=user)
            assert await refused.connect() == 135  # not authorised
            await refused.disconnect()


async def test_a_wrong_password_does_not_end_the_session_of_that_client_id(
    make: Ours, tmp_path: Path
) -> None:
    users = tmp_path / "users"
    users.write_text(f"ana:{hash_password('right')}\n")
    async with (
        embedded(Listen(port=0, users_file=users), make=make) as (_, port),
        device(port, "vent-7", user=("ana", "right")) as vent,
    ):
        await vent.subscribe("a")
        intruder = Device(port, "vent-7", user=("ana", "wrong"))
        assert await intruder.connect() == 135
        await intruder.disconnect()
        await vent.publish("a")
        await until(lambda: vent.received, "its own message")


async def test_an_acl_file_is_refused_rather_than_ignored(make: Ours, tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match=r"broker\.engine to mosquitto"):
        make(Listen(acl_file=tmp_path / "acl"))
