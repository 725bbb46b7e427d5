"""What strangers can hold of the door, at its default bounds, and what still answers meanwhile.

The strangers are 127.0.0.2 and up, which have no part in the reserve of this machine.
"""

from __future__ import annotations

import contextlib
import re
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

MIB = 1024 * 1024
WITHIN = 1.0  # seconds for a probe's answer
PATIENCE = 20.0  # seconds for anything else


class Served:
    """The door of `served.py`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self._status = Path(f"/proc/{process.pid}/status")
        self._port = int(process.stdout.readline())
        self._before = self._resident()

    def connect(self, source: str, timeout: float = PATIENCE) -> socket.socket:
        return socket.create_connection(
            ("127.0.0.1", self._port), timeout, source_address=(source, 0)
        )

    def get(self, path: str, source: str) -> bytes:
        """The first line of the answer, within a second."""
        with self.connect(source, WITHIN) as asking:
            asking.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            return asking.recv(65_536).partition(b"\r\n")[0]

    def grown(self) -> int:
        """Bytes that the process has grown by since its start."""
        return self._resident() - self._before

    def _resident(self) -> int:
        found = re.search(r"^VmRSS:\s+(\d+) kB", self._status.read_text(), re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024


@pytest.fixture(params=["httptools", "h11"])
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    """With each of the parsers."""
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux has all of 127.0.0.0/8 and /proc")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    command = [sys.executable, "-m", "tests.http.served", request.param]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Served(process)
        process.kill()


def addresses(each: int, count: int) -> Iterator[str]:
    """`count` sources, of which each address has `each`."""
    for number in range(count):
        yield f"127.0.0.{2 + number // each}"


def test_1100_silent_sockets_leave_probes_and_this_machine_alone(served: Served) -> None:
    """All common places are taken; others are refused, `/health` and 127.0.0.1 are not."""
    with contextlib.ExitStack() as silent:
        for source in addresses(220, 1100):
            silent.enter_context(served.connect(source))
        assert served.get("/health/live", "127.0.0.9") == b"HTTP/1.1 200 OK"
        assert served.get("/", "127.0.0.9") == b"HTTP/1.1 503 Service Unavailable"
        assert served.get("/", "127.0.0.1") == b"HTTP/1.1 200 OK"
        assert served.get("/health/live", "127.0.0.1") == b"HTTP/1.1 200 OK"
        assert served.grown() < 64 * MIB


def test_one_address_cannot_take_all_places(served: Served) -> None:
    """250 of them; another address is served as ever."""
    with contextlib.ExitStack() as silent:
        for source in addresses(300, 300):
            silent.enter_context(served.connect(source))
        assert served.get("/", "127.0.0.2") == b"HTTP/1.1 503 Service Unavailable"
        assert served.get("/health/live", "127.0.0.2") == b"HTTP/1.1 200 OK"
        assert served.get("/", "127.0.0.9") == b"HTTP/1.1 200 OK"


def test_900_slow_uploads_are_bounded_in_bytes(served: Served) -> None:
    """96 MiB that never end: what is over 64 MiB is refused, and probes are answered."""
    head = b"POST /webhooks/any HTTP/1.1\r\nHost: t\r\nContent-Length: 200000\r\n\r\n"
    with contextlib.ExitStack() as slow:
        uploads = [slow.enter_context(served.connect(one)) for one in addresses(225, 900)]
        for upload in uploads:
            with contextlib.suppress(OSError):  # refused meanwhile
                upload.sendall(head + bytes(110_000))
        assert served.get("/health/live", "127.0.0.9") == b"HTTP/1.1 200 OK"
        assert served.get("/", "127.0.0.1") == b"HTTP/1.1 200 OK"
        answers = [answer for answer in map(_answered, uploads) if answer]
        assert answers
        assert set(answers) == {b"HTTP/1.1 503 Service Unavailable"}
        assert served.grown() < (64 + 900 / 8) * MIB


def test_200_mib_of_trailers_end_their_connection(served: Served) -> None:
    """At the bound of a head, long before they are all there."""
    with served.connect("127.0.0.2") as endless:
        endless.sendall(
            b"POST /webhooks/any HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"1\r\nx\r\n0\r\n"
        )
        sent = 0
        trailer = b"X-Trailer: " + b"x" * 10_000 + b"\r\n"
        with contextlib.suppress(OSError):
            while sent < 200 * MIB:
                endless.sendall(trailer)
                sent += len(trailer)
        assert sent < 20 * MIB  # what the kernel's buffers hold
        assert served.get("/health/live", "127.0.0.2") == b"HTTP/1.1 200 OK"
        assert served.grown() < 16 * MIB


def _answered(connection: socket.socket) -> bytes:
    """The first line of an answer that is there by now."""
    connection.setblocking(False)
    try:
        return connection.recv(65_536).partition(b"\r\n")[0]
    except OSError:
        return b""
