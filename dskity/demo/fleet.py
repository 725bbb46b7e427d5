"""The devices of the greenhouse in their own process, and what they say on its standard output."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from dskity.bus.base.tasks import spawn
from dskity.bus.errors import EngineError
from dskity.demo.sightings import Sighting

GREENHOUSE = Path(__file__).parent / "greenhouse"
STOP_WITHIN = 5.0
_LINE = 1024 * 1024


@contextlib.asynccontextmanager
async def fleet(
    url: str,
    mqtt: str,
    tell: Callable[[Sighting], None],
    *,
    interval: float = 1.0,
    watch: Sequence[str] = (),
) -> AsyncIterator[None]:
    """The devices, connected to the broker at `url` for as long as the block lasts.

    `mqtt` is what the broker speaks, `5` or `3.1.1`; `interval` is seconds between readings;
    `watch` are filters that the device `watcher` listens to. Each sighting goes to `tell`.
    """
    host, _, port = url.partition("://")[2].rpartition(":")
    options = ["--host", host, "--port", port, "--mqtt", mqtt, "--interval", f"{interval:g}"]
    for filter in watch:
        options += ["--watch", filter]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(GREENHOUSE / "devices.py"),
        *options,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us: the devices end when their standard input does
        limit=_LINE,
    )
    listening = spawn(_listen(process, tell), name="fleet", awaited=True)
    try:
        yield
    finally:
        await _stop(process, listening)


async def _listen(process: asyncio.subprocess.Process, tell: Callable[[Sighting], None]) -> None:
    assert process.stdout is not None  # noqa: S101  # it is a pipe
    async for line in process.stdout:
        tell(Sighting.parse(line))
    if status := await process.wait():
        raise EngineError(f"the devices ended with exit status {status}; see their words above")


async def _stop(process: asyncio.subprocess.Process, listening: asyncio.Task[None]) -> None:
    assert process.stdin is not None  # noqa: S101  # it is a pipe
    process.stdin.close()
    try:
        async with asyncio.timeout(STOP_WITHIN):
            await listening
    except TimeoutError:
        process.kill()
        await process.wait()
