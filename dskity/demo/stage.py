"""The stage: a runtime with the greenhouse's modules and a broken one, devices, and a neighbour."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from dskity.bootstrap import start
from dskity.bus.base.threads import blocking
from dskity.composition.runtime import Runtime
from dskity.config import DSkitySettings
from dskity.config.files import read_file
from dskity.config.layer import merged
from dskity.demo.fleet import GREENHOUSE, fleet
from dskity.demo.neighbour import NAME as NEIGHBOUR
from dskity.demo.neighbour import neighbour
from dskity.demo.sightings import Sightings

HOST = "127.0.0.1"
INTERVAL = 0.02  # seconds between the readings of a sensor
BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Stage:
    """All that a check may use. `http` calls the runtime's HTTP API from outside."""

    runtime: Runtime
    sightings: Sightings
    http: httpx.AsyncClient
    neighbour: asyncio.subprocess.Process
    ready_seconds: float
    """How long the runtime took to start."""

    @property
    def root(self) -> str:
        """Where the topics of the runtime itself begin."""
        return self.runtime.bus.root


@contextlib.asynccontextmanager
async def set_up(wanted: DSkitySettings) -> AsyncIterator[Stage]:
    """Everything, on free loopback ports and in a temporary folder.

    Of the settings that are wanted, the broker's engine counts.
    """
    sightings = Sightings()
    with tempfile.TemporaryDirectory(prefix="dskity-demo-") as name:
        folder = Path(name)
        settings = await blocking(_prepare, wanted, folder)
        began = time.perf_counter()
        async with await start(settings) as runtime:
            ready = time.perf_counter() - began
            assert runtime.http is not None  # noqa: S101  # the settings open it
            url = runtime.core.engine.url
            async with (
                httpx.AsyncClient(base_url=f"http://{HOST}:{runtime.http.port}") as http,
                neighbour(url, folder / NEIGHBOUR) as second,
                fleet(
                    url,
                    runtime.bus.capabilities.protocol.removeprefix("MQTT "),
                    sightings.add,
                    interval=INTERVAL,
                    watch=["greenhouse/#", "hooks/#", f"{runtime.bus.root}/#"],
                ),
            ):
                yield Stage(runtime, sightings, http, second, ready)


def _prepare(wanted: DSkitySettings, folder: Path) -> DSkitySettings:
    modules = folder / "modules"
    modules.mkdir()
    (folder / NEIGHBOUR).mkdir()
    (modules / f"{BROKEN}.py").write_text("import a_package_that_nobody_has\n", encoding="utf-8")
    engine = wanted.broker.engine
    changes: dict[str, Any] = {
        "port": 0,
        "state_dir": folder / "state",
        "modules_search_paths": [str(GREENHOUSE / "modules"), str(modules)],
        "modules": {"alarm": {"additional_settings": {"clear_after": 0.5}}},
        "broker": {"engine": "auto" if engine == "none" else engine, "port": 0},
        "grpc": {"port": 0},
    }
    example = read_file(GREENHOUSE / "settings.yaml", {}).values
    return DSkitySettings.isolated(**merged(example, changes))
