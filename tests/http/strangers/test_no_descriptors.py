"""A process without file descriptors turns HTTP connections away, and is well when it has some."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import socket
from collections.abc import Iterator

import pytest

from tests.http.conftest import serving
from tests.http.test_server import app_with_root
from tests.waiting import until


@contextlib.contextmanager
def no_descriptors() -> Iterator[None]:
    """All that are free now are the last ones that this process gets."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_a_process_without_descriptors_turns_connections_away_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It writes one line, and not a traceback for each attempt to accept."""
    caplog.set_level(logging.WARNING)
    async with serving(app_with_root()) as server:
        clients = [socket.socket() for _ in range(20)]
        try:
            for each in clients:
                each.setblocking(False)
            with no_descriptors():
                for each in clients:
                    each.connect_ex(("127.0.0.1", server.port))

                def all_closed() -> bool:
                    return all(_is_closed(each) for each in clients)

                await until(all_closed, "all are turned away")
        finally:
            for each in clients:
                each.close()
        said = [r.getMessage() for r in caplog.records]
        assert len(said) == 1
        assert "new HTTP connections are closed at once: Too many open files" in said[0]
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.setblocking(False)
            client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")

            def answered() -> bool:
                with contextlib.suppress(BlockingIOError):
                    return client.recv(4096).startswith(b"HTTP/1.1 200")
                return False

            await until(answered, "the next one is served")


def _is_closed(client: socket.socket) -> bool:
    try:
        return client.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
