"""A module with settings of its own, a typed handler, and a route on the HTTP app."""

import asyncio
import tempfile
from pathlib import Path

from pydantic import BaseModel

from dskity import Bus, Module, ModuleConfig, ModuleMeta, TransportClients, on
from dskity.testing import Runtimes, ScriptedBroker, http_client, isolated_settings


class Limits(BaseModel):
    """`modules.vents.additional_settings` in the settings file."""

    warm_above: float = 28.0


class Reading(BaseModel):
    """The payload; any other is a dead letter."""

    celsius: float


class Vents(Module[Limits]):
    """Opens the vent of a device that is warm."""

    meta = ModuleMeta(name="vents", base_path="/vents")

    def register(self, clients: TransportClients, config: ModuleConfig[Limits]) -> None:
        """Add routes; the handlers marked with `@on` are added after it."""
        self.limits = config.settings
        self.opened: set[str] = set()
        clients.http.add_api_route(f"{self.meta.base_path}/open", lambda: sorted(self.opened))

    @on("devices/{device}/telemetry", order_by="device")
    async def telemetry(self, reading: Reading, device: str, bus: Bus) -> None:
        """Acknowledged when this returns."""
        if reading.celsius > self.limits.warm_above:
            self.opened.add(device)
            await bus.publish(f"devices/{device}/vent", {"open": True})


async def main() -> None:
    """Run it without a broker or a port."""
    with tempfile.TemporaryDirectory() as folder:
        runtimes = Runtimes(isolated_settings(Path(folder)), ScriptedBroker())
        runtime = await runtimes(Vents())
        async with runtime.bus.stream("devices/d1/vent") as vents:
            await runtime.bus.publish("devices/d1/telemetry", {"celsius": 31})
            assert (await anext(vents)).json() == {"open": True}
        async with http_client(runtime.app) as client:
            assert (await client.get("/vents/open")).json() == ["d1"]
        await runtimes.close()


if __name__ == "__main__":
    asyncio.run(main())
