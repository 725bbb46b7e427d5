"""The built-in broker on its ports: strangers, floods, clients that are killed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dskity.broker.engines.builtin import listener, tcp
from dskity.broker.engines.builtin.engine import BuiltinBroker
from dskity.broker.engines.builtin.server import Rules
from dskity.broker.engines.builtin.timers import Timers
from dskity.broker.engines.listen import Listen
from dskity.broker.users import Users, hash_password
from dskity.bus.base import tasks
from tests.breaking import Broken
from tests.engines.builtin.scripted import connect, publish, subscribe, text
from tests.engines.conftest import running
from tests.engines.device import HOST, device
from tests.waiting import until


@pytest.fixture
async def built() -> AsyncIterator[int]:
    """Its port."""
    async with running(BuiltinBroker(Listen(port=0))) as port:
        yield port


@contextlib.contextmanager
def sockets(port: int, number: int) -> Iterator[list[socket.socket]]:
    """Connections that say nothing."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection((HOST, port))) for _ in range(number)]


async def test_strangers_end_each_other_and_nobody_else(
    built: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that is connected stays, and another one can connect while the port is flooded."""
    monkeypatch.setattr(listener, "MAX_STRANGERS", 20)
    async with device(built, "first") as first:
        await first.subscribe("t")
        with sockets(built, 100) as silent:
            async with device(built, "second") as second:
                await second.publish("t")
                await until(lambda: first.received, "the message")
            gone = [s for s in silent if await _is_over(s)]
            assert 75 <= len(gone) <= 81


async def _is_over(sock: socket.socket) -> bool:
    sock.setblocking(False)
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


async def test_there_is_a_bound_on_all_connections(
    built: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "MAX_CONNECTIONS", 2)
    async with device(built, "one"), device(built, "two"):
        reader, writer = await asyncio.open_connection(HOST, built)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_who_does_not_connect_in_time_is_gone() -> None:
    engine = BuiltinBroker(Listen(port=0), rules=Rules(connect_within=0.1))
    async with running(engine) as port:
        for start in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 50, b"\x10\x05", connect()[:-2], b""):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(start)
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()


@pytest.mark.parametrize(
    ("level", "answer"),
    [(3, b"\x20\x02\x00\x01"), (6, b"\x20\x03\x00\x84\x00"), (9, b"\x20\x03\x00\x84\x00")],
)
async def test_other_protocol_versions_are_refused_at_once(
    built: int, level: int, answer: bytes
) -> None:
    reader, writer = await asyncio.open_connection(HOST, built)
    writer.write(b"\x10\x0d\x00\x04MQTT" + bytes((level,)) + b"\x02\x00\x3c\x00\x01a")
    assert await asyncio.wait_for(reader.read(), 5) == answer
    writer.close()


async def test_a_client_that_reads_no_answers_is_not_read_further(
    built: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answers would otherwise pile up here; the others go on."""
    monkeypatch.setattr(tcp, "MAX_UNREAD", 64 * 1024)
    with socket.create_connection((HOST, built)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(connect("deaf"))
        deaf.setblocking(False)
        stuck, packets = 0, publish("t", b"", 1, 7) * 2_000
        left = b""
        async with device(built) as other, asyncio.timeout(60):
            await other.subscribe("u")
            while stuck < 200:
                try:
                    left = left or packets
                    left = left[deaf.send(left) :]
                    stuck = 0
                except BlockingIOError:
                    stuck += 1
                await asyncio.sleep(0)
            await other.publish("u")
            await until(lambda: other.received, "its message")


async def test_the_reason_arrives_though_the_client_sends_on(built: int) -> None:
    """A reset, because of what was not read, would overtake it."""
    reader, writer = await asyncio.open_connection(HOST, built)
    writer.write(connect("x") + b"\xf0\x00" + bytes(4_000_000))
    await reader.readexactly(2)
    assert (await asyncio.wait_for(reader.read(), 5))[-3:] == b"\xe0\x01\x82"
    writer.close()


async def test_clients_that_are_killed_leave_nothing_behind() -> None:
    """Sessions without an expiry end; their subscriptions get no more messages."""
    engine = BuiltinBroker(Listen(port=0))
    async with running(engine) as port:
        assert engine._listener is not None
        core = engine._listener._server.core
        for number in range(50):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(connect(f"c{number}") + subscribe(("t", 1)) + publish("t", qos=1))
            await reader.readexactly(10)
            writer.transport.abort()
        await until(lambda: not core.sessions, "no session is left")
        assert not engine._listener._clients
        assert core.meter is not None
        assert core.meter.size == 0


async def test_a_password_is_checked_while_others_are_served(tmp_path: Path) -> None:
    """A stranger that hangs up meanwhile leaves nothing; a name that is none gets the same no."""
    users = tmp_path / "users"
    users.write_text(f"ana:{hash_password('right')}\n")
    async with running(BuiltinBroker(Listen(port=0, users_file=users))) as port:
        async with device(port, user=("ana", "right")) as ana:
            await ana.subscribe("t")
            for _ in range(20):
                _, writer = await asyncio.open_connection(HOST, port)
                writer.write(connect("x", flags=0xC0, tail=b"\x00\x03ana" + b"\x00\x05wrong"))
                await writer.drain()
                writer.transport.abort()
            await ana.publish("t")
            await until(lambda: ana.received, "its message")
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(connect("x", flags=0xC0, tail=b"\x00\x03ana" + b"\x00\x02\xff\xfe"))
        assert await asyncio.wait_for(reader.read(), 5) == b"\x20\x03\x00\x87\x00"
        writer.close()


async def test_an_error_of_ours_ends_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """In reading, and in delivering: it is reported, and the broker goes on."""
    health = tasks.observe()
    engine = BuiltinBroker(Listen(port=0))
    async with running(engine) as port, device(port) as one:
        await one.subscribe("t")
        assert engine._listener is not None
        core = engine._listener._server.core
        broken = Broken(monkeypatch, core, "publish", KeyError("odd"))
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(connect("x") + publish("t"))
        with contextlib.suppress(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 5)
        writer.close()
        assert broken.calls == 1
        assert health.errors == {"broker connection": 1}
        monkeypatch.undo()
        await one.publish("t")
        await until(lambda: one.received, "its message")


async def test_timers_go_on_after_any_error_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not connect in time is gone all the same."""
    health = tasks.observe()
    broken = Broken(monkeypatch, Timers, "call_due", KeyError("odd"))
    engine = BuiltinBroker(Listen(port=0), rules=Rules(connect_within=0.05))
    async with running(engine) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        assert broken.calls > 1
        assert health.errors == {"broker timers": 1}


async def test_a_websocket_that_asks_for_something_else_is_answered(tmp_path: Path) -> None:
    del tmp_path
    engine = BuiltinBroker(Listen(port=0, websocket_port=0))
    async with running(engine):
        for sent, status in (
            (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"426"),
            (b"nonsense\r\n\r\n", b"400"),
            (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", b"431"),
        ):
            reader, writer = await asyncio.open_connection(HOST, engine.websocket_port)
            writer.write(sent)
            answer = await asyncio.wait_for(reader.read(), 5)
            assert answer.startswith(b"HTTP/1.1 " + status)
            writer.close()
    assert urlsplit(engine.url).port


async def test_strangers_that_are_ended_meanwhile_have_no_more_passwords_checked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that computes a hash goes on without its client; the next check waits for it."""
    users = tmp_path / "users"
    users.write_text(f"ana:{hash_password('right')}\n")
    began: list[None] = []
    go_on = threading.Event()

    def verify(*_: object) -> bool:
        began.append(None)
        return not go_on.wait(20)

    monkeypatch.setattr(Users, "verify", verify)
    monkeypatch.setattr(listener, "MAX_STRANGERS", 3)
    async with running(BuiltinBroker(Listen(port=0, users_file=users))) as port:
        with sockets(port, 12) as callers:
            for one in callers:
                one.sendall(connect(flags=0x80, tail=text("ana")))
            for one in callers[:9]:  # ended in favour of the last three
                with contextlib.suppress(ConnectionError):
                    assert await asyncio.to_thread(one.recv, 1) == b""
            await until(lambda: len(began) >= 2, "two checks")
            with sockets(port, 3) as later:  # these end those whose passwords are being checked
                for one in callers[9:]:
                    with contextlib.suppress(ConnectionError):
                        assert await asyncio.to_thread(one.recv, 1) == b""
                for one in later:
                    one.sendall(connect(flags=0x80, tail=text("ana")))
                assert len(began) == 2
                go_on.set()
                for one in later:
                    assert await asyncio.to_thread(one.recv, 1) == b"\x20"
