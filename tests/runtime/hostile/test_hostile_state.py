"""What a stranger leaves retained on the topics that every runtime hears."""

from __future__ import annotations

from pathlib import Path

from tests.engines.device import device
from tests.runtime.house import COUNTER, on_broker, started, write_module
from tests.servers import mosquitto
from tests.waiting import until

DEEP = b"[" * 1024
TOPICS = ("dskity/runtime/x/state", "dskity/registry/x/y")


async def test_deep_json_leaves_a_runtime_connected_and_ready(tmp_path: Path) -> None:
    """Retained before it starts, and sent while it runs: it handles what follows."""
    write_module(tmp_path, "counter.py", COUNTER)
    with mosquitto() as broker:
        async with device(broker.port) as stranger:
            for topic in TOPICS:
                await stranger.publish(topic, DEEP, retain=True)
            common = on_broker(broker.port)
            async with started(tmp_path, common=common) as house:
                link = house.runtime.bus.link
                await until(lambda: house.runtime.bus.connected, "connected")
                for topic in TOPICS:
                    await stranger.publish(topic, DEEP)
                await stranger.subscribe("devices/d1/handled")
                await stranger.publish("devices/d1/telemetry", b'{"celsius": 21.5}')
                await until(lambda: stranger.received, "the reading is handled")
                assert await house.unready() == {}
                assert link.connections == 1
                metrics = (await house.http.get("/metrics")).text
                assert "dskity_consumer_errors_total" in metrics
