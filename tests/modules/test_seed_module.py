"""The module of the seed's README: no base class, no `get_module()`."""

from __future__ import annotations

import httpx
import pytest

from tests.modules.conftest import Folder, staged
from tests.waiting import until

SEED = """
    from pydantic import BaseModel

    from dskity.modules import ModuleMeta

    class HealthSettings(BaseModel):
        greeting: str = "ok"

    class HealthModule:
        meta = ModuleMeta(name="health", base_path="/health")

        def __init__(self) -> None:
            self.beats = []

        def additional_settings_model(self):
            return HealthSettings

        def register(self, clients, config) -> None:
            settings = config.modules.health.additional_settings

            @clients.http.get(f"{self.meta.base_path}/ping")
            async def ping():
                return {"status": settings.greeting}

            clients.mqtt.subscribe("health/beat", qos=0)
            clients.mqtt.add_message_handler("health/beat", self.beat)

        def beat(self, message) -> None:
            self.beats.append((message.topic, message.qos))
"""


@pytest.mark.parametrize("file", ["health/module.py", "health.py"])
async def test_it_loads_and_runs(folder: Folder, file: str) -> None:
    """It answers HTTP, has its settings, and `clients.mqtt` is live inside `register()`."""
    folder.write(file, SEED)
    async with staged(folder.path) as stage:
        await stage.supervisor.start()
        status = stage.supervisor.states()["health"]
        assert (status.state, status.base_path) == ("started", "/health")
        transport = httpx.ASGITransport(stage.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            assert (await client.get("/health/ping")).json() == {"status": "ok"}
        await stage.house.bus.publish("health/beat")
        module = stage.supervisor._units["health"].found.module
        await until(lambda: module.beats == [("health/beat", 0)], "the handler runs, at QoS 0")
