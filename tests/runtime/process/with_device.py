"""`dskity run` on a mosquitto of its own, and a device on the same one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.engines.device import Device, device
from tests.runtime.process.test_run import READY, dskity_run, on
from tests.runtime.program import Program
from tests.servers import mosquitto


@asynccontextmanager
async def run_with_device(folder: Path, grace: str) -> AsyncIterator[tuple[Program, Device]]:
    """Once the modules have started; `grace` is `shutdown_grace_seconds`."""
    with mosquitto() as broker:
        settings = on(broker) | {"shutdown_grace_seconds": grace}
        async with device(broker.port) as it:
            with dskity_run(folder, settings) as run:
                run.wait_for(READY)
                yield run, it
