"""A second runtime in its own process, on the same broker: made to be killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

NAME = "neighbour"


@contextlib.asynccontextmanager
async def neighbour(url: str, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`dskity run` in `folder`, on the broker at `url`, with the client id `NAME`, without HTTP."""
    settings = {
        "common.mqtt.url": url,
        "common.mqtt.client_id": NAME,
        "http.enabled": "false",
        "grpc.enabled": "false",
        "logging.level": "critical",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "dskity",
        "run",
        *(f"--set={key}={value}" for key, value in settings.items()),
        cwd=folder,
        env={key: value for key, value in os.environ.items() if not key.startswith("DSKITY_")},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
