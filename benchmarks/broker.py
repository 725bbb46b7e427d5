"""The broker of a measurement: mosquitto on a free loopback port, with its brakes off."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

HOST = "127.0.0.1"
SETTINGS = (
    "user root",  # started by root it would give up root, and cannot read its folder then
    "persistence false",
    "allow_anonymous true",
    "max_queued_messages 0",
    "set_tcp_nodelay true",
)
WINDOW = 200  # unacknowledged messages for each client
_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))


def mosquitto_path() -> str:
    """The program, also where Debian hides it."""
    found = shutil.which("mosquitto", path=_PATH)
    if found is None:
        raise SystemExit("mosquitto is not installed: apt-get install mosquitto")
    return found


def free_port() -> int:
    """A TCP port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def mosquitto(*, port: int | None = None, window: int = WINDOW) -> AsyncIterator[int]:
    """A broker for as long as the block lasts; its port."""
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        conf = Path(folder) / "mosquitto.conf"
        lines = (*SETTINGS, f"max_inflight_messages {window}", f"listener {port} {HOST}")
        conf.write_text("\n".join(lines) + "\n")
        process = await asyncio.create_subprocess_exec(
            mosquitto_path(), "-c", str(conf), stderr=asyncio.subprocess.DEVNULL
        )
        try:
            await listening(port)
            yield port
        finally:
            process.terminate()
            await process.wait()


async def listening(port: int) -> None:
    """Return when somebody listens there."""
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                return
