"""From the start of `dskity run` until it is ready, and what it holds when nothing happens."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks.broker import HOST, free_port
from benchmarks.figures import Measured, Table
from benchmarks.harness import ROOT, ChildFailed, Sample, in_turn
from benchmarks.options import Options

_IDLE = 5.0  # seconds
_READY = b"GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
_COMMAND = "import sys; from dskity.cli import main; sys.exit(main())"


async def run(options: Options) -> Table:
    """Seconds from the process's start to 200 on /health/ready, and MiB after five idle seconds."""
    samples = await in_turn(options.rounds, {"dskity run": _started})
    ready = Measured("dskity run, until ready", "s", samples["dskity run"], key="ready")
    idle = Measured("idle memory (RSS)", "MiB", samples["dskity run"], key="rss")
    ready.at_most(1, "s", ready.median)
    idle.at_most(80, "MiB", idle.median)
    return Table(
        "start", "Start and idle", [ready, idle], "with the mosquitto that it starts itself"
    )


async def _started() -> Sample:
    port = free_port()
    before = time.perf_counter()
    async with _dskity_run(port) as process:
        while not await _is_ready(port):
            if process.returncode is not None:
                raise ChildFailed(f"`dskity run` ended with {process.returncode}")
            await asyncio.sleep(0.005)
        ready = time.perf_counter() - before
        await asyncio.sleep(_IDLE)
        return {"ready": ready, "rss": _resident_mib(process.pid)}


@contextlib.asynccontextmanager
async def _dskity_run(port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-c", _COMMAND, "run", "--port", str(port), "--broker-port", str(free_port())),
            *("--set", "grpc.port=0"),
            cwd=folder,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin:/usr/sbin"},
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def _is_ready(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.write(_READY)
    answer = await reader.read()
    writer.close()
    return answer.startswith(b"HTTP/1.1 200")


def _resident_mib(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024
