"""`python -m examples.geofence`: a tracker drives through the depot, on a broker in memory."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from dskity.testing import Runtimes, ScriptedBroker, http_client, isolated_settings

MODULES = Path(__file__).parent / "modules"
ROUTE = ((52.50, 13.405), (52.52, 13.404), (52.521, 13.405), (52.54, 13.405))


async def main() -> None:
    """Show what the module publishes, and the check that its service has in readiness."""
    with tempfile.TemporaryDirectory() as folder:
        settings = isolated_settings(Path(folder), modules_search_paths=[str(MODULES)])
        runtimes = Runtimes(settings, ScriptedBroker())
        runtime = await runtimes()
        async with runtime.bus.stream("trackers/van/+") as events, asyncio.timeout(10):
            for latitude, longitude in ROUTE:
                position = {"latitude": latitude, "longitude": longitude}
                await runtime.bus.publish("trackers/van/position", position)
            async for event in events:
                if not event.topic.endswith("/position"):
                    print(event.topic, event.text())
                if event.topic.endswith("/left"):
                    break
        async with http_client(runtime.app) as client:
            checks = (await client.get("/health/ready")).json()["checks"]
        print("geofences:", checks["geofences"]["status"])
        await runtimes.close()


if __name__ == "__main__":
    asyncio.run(main())
