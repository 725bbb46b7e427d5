"""A whole runtime in this process, on free ports, with its state in a folder of the test's."""

from __future__ import annotations

import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from dskity.bootstrap import start
from dskity.composition.runtime import Runtime
from dskity.config import DSkitySettings
from dskity.config.layer import merged
from tests.servers import HOST, program

FREE_PORTS: dict[str, Any] = {
    "host": HOST,
    "port": 0,
    "broker": {"port": 0},
    "grpc": {"host": HOST, "port": 0},
}


@dataclass
class House:
    """The runtime, and a caller at its HTTP door."""

    runtime: Runtime
    http: httpx.AsyncClient

    @property
    def broker_port(self) -> int:
        """Of the broker that it is connected to."""
        return int(self.runtime.core.engine.url.rpartition(":")[2])

    async def unready(self) -> dict[str, str]:
        """The reason of each check that is not well."""
        answer = await self.http.get("/health/ready")
        checks = answer.json()["checks"]
        failed = {name: one["reason"] for name, one in checks.items() if one["status"] != "ok"}
        assert answer.status_code == (503 if failed else 200)
        return failed


def settings_in(folder: Path, **changes: Any) -> DSkitySettings:
    """Nothing but these, over free ports and folders below `folder`."""
    (folder / "modules").mkdir(exist_ok=True)
    own = {"state_dir": folder / "state", "modules_search_paths": [str(folder / "modules")]}
    return DSkitySettings.isolated(**merged(FREE_PORTS | own, changes))


@asynccontextmanager
async def started(folder: Path, **changes: Any) -> AsyncIterator[House]:
    """A runtime with these settings, and the modules in `folder / "modules"`."""
    if changes.get("broker", {}).get("engine") == "mosquitto":
        program("mosquitto", "mosquitto")
    async with await start(settings_in(folder, **changes)) as runtime:
        assert runtime.http is not None
        url = f"http://{HOST}:{runtime.http.port}"
        async with httpx.AsyncClient(base_url=url) as http:
            yield House(runtime, http)


def on_broker(port: int, **mqtt: Any) -> dict[str, Any]:
    """The settings of a broker that is there, or is not."""
    return {"mqtt": {"url": f"mqtt://{HOST}:{port}", "connect_timeout": 1.0} | mqtt}


def write_module(folder: Path, name: str, text: str) -> None:
    """`modules/<name>`, a file."""
    file = folder / "modules" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(text), encoding="utf-8")


COUNTER = """
    from pydantic import BaseModel

    from dskity.modules import Bus, Module, ModuleMeta, on

    class Reading(BaseModel):
        celsius: float

    class Counter(Module):
        meta = ModuleMeta("counter", "/counter")

        def __init__(self) -> None:
            self.handled = 0

        @on("devices/{device}/telemetry")
        async def telemetry(self, reading: Reading, device: str, bus: Bus) -> None:
            self.handled += 1
            await bus.publish(f"devices/{device}/handled", reading)

        @on("devices/{device}/mean")
        async def mean(self, device: str) -> dict[str, int]:
            return {"handled": self.handled}
"""
"""A module that handles telemetry, says so, and answers a request."""
