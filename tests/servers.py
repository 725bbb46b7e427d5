"""Real servers on free loopback ports, ready when entered and gone when left.

A missing program skips the test and names the package that has it; with
`DSKITY_REQUIRE_SERVICES=1`, as in CI, it fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import pytest

from dskity.broker.engines.rumqttd import has_rumqttd

HOST = "127.0.0.1"
_SYSTEM_PATHS = ("/usr/sbin", "/usr/local/sbin")  # where Debian has daemons, not always on PATH


def free_port() -> int:
    """A TCP port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def listening(port: int) -> bool:
    """Whether somebody accepts connections on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((HOST, port)) == 0


def wait_for_port(port: int, within: float = 10.0) -> None:
    """Return once somebody listens on a loopback port."""
    deadline = time.monotonic() + within
    while not listening(port):
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody listens on {HOST}:{port} after {within:g} s")
        time.sleep(0.01)


def program(name: str, package: str) -> str:
    """The path of a program; without it the test is skipped, or fails (see above)."""
    path = os.pathsep.join((os.environ.get("PATH", ""), *_SYSTEM_PATHS))
    found = shutil.which(name, path=path)
    if found is None:
        _missing(f"{name} is not installed: apt-get install {package}")
    return found


def need_rumqttd() -> None:
    """Without it the test is skipped, or fails (see above) where there is a wheel of it."""
    if not has_rumqttd():
        wheel = sys.platform != "linux" or platform.libc_ver()[0] == "glibc"  # none for musl
        _missing("rumqttd is not installed: pip install 'dskity[rumqttd]'", tolerated=not wheel)


def _missing(reason: str, *, tolerated: bool = False) -> NoReturn:
    if os.environ.get("DSKITY_REQUIRE_SERVICES") == "1" and not tolerated:
        pytest.fail(reason)
    pytest.skip(reason)


class ServerProcess:
    """A server in a process of its own that can be killed and started again on the same port."""

    def __init__(self, command: Sequence[str], port: int, log: Path) -> None:
        self.port = port
        self.log = log
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it accepts connections."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while not listening(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{self._command[0]} did not start:\n{self.log.read_text()}")
            time.sleep(0.01)

    def pause(self) -> None:
        """SIGSTOP: it is there and does not answer."""
        self._signal(signal.SIGSTOP)

    def proceed(self) -> None:
        """SIGCONT, after `pause`."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """`kill -9`: no goodbye to anybody."""
        self._signal(signal.SIGKILL)
        self._wait()

    def stop(self) -> None:
        """SIGTERM, and wait for its end."""
        if self._process is not None:
            self._signal(signal.SIGTERM)
            self._wait()

    def discard(self) -> None:
        """`kill -9`, if it runs: nothing that it would save is needed any more."""
        if self._process is not None:
            self.kill()

    def restart(self) -> None:
        """`kill -9` and start again."""
        self.kill()
        self.start()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "not started"
        self._process.send_signal(number)

    def _wait(self) -> None:
        assert self._process is not None
        self._process.wait(10)
        self._process = None


@contextlib.contextmanager
def _server(
    command: Sequence[str], port: int, folder: Path, *, up: bool
) -> Iterator[ServerProcess]:
    server = ServerProcess(command, port, folder / "log")
    if up:
        server.start()
    try:
        yield server
    finally:
        server.discard()  # mosquitto takes 0.13 s to heed a SIGTERM


@contextlib.contextmanager
def mosquitto(
    config_lines: Sequence[str] = (),
    *,
    persistence: bool = False,
    users: Mapping[str, str] | None = None,
    port: int | None = None,
    up: bool = True,
) -> Iterator[ServerProcess]:
    """A mosquitto with no limit on queues. With `users`, only they may enter.

    With `persistence` every change is on disk at once, so that a killed one resumes its sessions.
    `up=False` leaves the port silent until `start()`.
    """
    path = program("mosquitto", "mosquitto")
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="mosquitto-") as name:
        folder = Path(name)
        lines = [
            "user root",  # it would give up root, and with it this folder
            "max_queued_messages 0",
            "set_tcp_nodelay true",
            f"allow_anonymous {'false' if users else 'true'}",
            *_persistence(folder, on=persistence),
            *_password_file(folder, users or {}),
            f"listener {port} {HOST}",
            *config_lines,
        ]
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        command = (path, "-c", str(folder / "mosquitto.conf"))
        with _server(command, port, folder, up=up) as server:
            yield server


def _persistence(folder: Path, *, on: bool) -> list[str]:
    if not on:
        return ["persistence false"]
    return [
        "persistence true",
        f"persistence_location {folder}/",
        "autosave_interval 1",
        "autosave_on_changes true",
    ]


def _password_file(folder: Path, users: Mapping[str, str]) -> list[str]:
    if not users:
        return []
    tool = program("mosquitto_passwd", "mosquitto")
    file = folder / "passwords"
    file.touch(mode=0o600)
    for user, password in users.items():
        subprocess.run((tool, "-b", str(file), user, password), check=True)
    return [f"password_file {file}"]


@contextlib.contextmanager
def redis_server(config_lines: Sequence[str] = ()) -> Iterator[ServerProcess]:
    """A Redis with nothing on disk."""
    path = program("redis-server", "redis-server")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="redis-") as name:
        folder = Path(name)
        lines = [f"port {port}", f"bind {HOST}", 'save ""', f"dir {folder}", *config_lines]
        (folder / "redis.conf").write_text("\n".join(lines) + "\n")
        with _server((path, str(folder / "redis.conf")), port, folder, up=True) as server:
            yield server


class TcpProxy:
    """A proxy in the test's own loop, so that a connection can be cut or starved in between."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.accepted = 0
        self._target = target
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._pairs: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Begin to accept."""
        self._server = await asyncio.start_server(self._serve, HOST, self.port)

    async def close(self) -> None:
        """Stop accepting and cut all connections."""
        assert self._server is not None
        self._server.close()
        self.cut()
        if self._pairs:
            await asyncio.wait(self._pairs)

    def cut(self) -> None:
        """Reset every connection, as a pulled cable and a router's RST do."""
        for pair in self._pairs:
            pair.cancel()

    def refuse(self, *, on: bool = True) -> None:
        """Close each new connection at once."""
        self._refusing = on

    def hold(self) -> None:
        """Let no more bytes through, and keep the connections open."""
        self._flowing.clear()

    def release(self) -> None:
        """Let the bytes through again, also those that were held."""
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pair = asyncio.current_task()
        assert pair is not None
        self._pairs.add(pair)
        self.accepted += 1
        try:
            if not self._refusing:
                await self._relay(reader, writer)
        except (OSError, asyncio.CancelledError, ExceptionGroup):
            pass  # a cut, or either side has left: the end of a pair is no fault of the proxy
        finally:
            writer.transport.abort()
            self._pairs.discard(pair)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(HOST, self._target)
        try:
            async with asyncio.TaskGroup() as directions:
                directions.create_task(self._copy(reader, far_writer), name="proxy-up")
                directions.create_task(self._copy(far_reader, writer), name="proxy-down")
        finally:
            far_writer.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError


@contextlib.asynccontextmanager
async def tcp_proxy(target: int) -> AsyncIterator[TcpProxy]:
    """A `TcpProxy` in front of a loopback port."""
    proxy = TcpProxy(target)
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.close()
