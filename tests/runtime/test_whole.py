"""The whole runtime on each broker that we run."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dskity.modules.grpc.v1 import dskity_pb2, dskity_pb2_grpc
from tests.engines.device import Device, device
from tests.modules.test_seed_module import SEED
from tests.runtime.house import COUNTER, House, started, write_module
from tests.servers import HOST
from tests.waiting import until
from tests.webhooks.signing import github

SECRET = "a secret of sixteen"


@pytest.fixture(params=["mosquitto", "builtin", "amqtt"])
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    """The seed's module, one with handlers, and a source of webhooks."""
    write_module(tmp_path, "health/module.py", SEED)
    write_module(tmp_path, "counter.py", COUNTER)
    hook = {"preset": "github", "secret": SECRET, "topic": "hooks/github/{event}"}
    async with started(
        tmp_path,
        broker={"engine": request.param},
        webhooks={"github": hook},
    ) as it:
        yield it


async def test_it_is_ready_with_every_module(house: House) -> None:
    """Ours and those of the search path, and each is a service of the registry."""
    assert await house.unready() == {}
    root = (await house.http.get("/")).json()
    assert {"kv", "registry", "http", "grpc", "health", "counter"} <= set(root["enabled_modules"])
    services = house.runtime.clients.registry.services()
    assert {"health", "counter", "kv"} <= set(services)
    (counter,) = house.runtime.clients.registry.instances("counter")
    assert counter.url == f"{str(house.http.base_url).rstrip('/')}/counter"


async def test_the_seeds_module_works(house: House) -> None:
    """Its HTTP route answers, and its handler hears a device."""
    assert (await house.http.get("/health/ping")).json() == {"status": "ok"}
    module = house.runtime.supervisor._units["health"].found.module
    async with device(house.broker_port) as sensor:
        await sensor.publish("health/beat", qos=0)
        await until(lambda: module.beats, "the handler runs")


async def test_telemetry_of_a_device_is_handled_and_bad_telemetry_dead_lettered(
    house: House,
) -> None:
    async with device(house.broker_port) as sensor:
        await sensor.subscribe("devices/#")
        await sensor.subscribe("dskity/dead-letter/#")
        await sensor.publish("devices/d1/telemetry", b"\xff\x00")
        await sensor.publish("devices/d1/telemetry", b'{"celsius": 21.5}')
        await until(lambda: _heard(sensor, "devices/d1/handled"), "the good one is handled")
        await until(
            lambda: _heard(sensor, "dskity/dead-letter/devices/d1/telemetry"),
            "the bad one is dead-lettered",
        )
    assert _heard(sensor, "devices/d1/handled") == [b'{"celsius":21.5}']


async def test_http_publishes_requests_and_keeps_keys(house: House) -> None:
    async with device(house.broker_port) as panel:
        await panel.subscribe("panel")
        published = await house.http.post("/topics/panel", content=b"good morning")
        assert (published.status_code, published.json()["accepted"]) == (202, "broker")
        await until(lambda: _heard(panel, "panel") == [b"good morning"], "the device hears it")
    answered = await house.http.post("/requests/devices/d1/mean")
    assert (answered.status_code, answered.json()) == (200, {"handled": 0})
    assert (await house.http.put("/kv/a/b", json={"value": [1]})).json()["stored"] is True
    assert (await house.http.get("/kv/a/b")).json()["value"] == [1]


async def test_grpc_publishes(house: House) -> None:
    assert house.runtime.grpc is not None
    channel = house.runtime.clients.grpc.channel(f"{HOST}:{house.runtime.grpc.port}")
    bus = dskity_pb2_grpc.BusStub(channel)
    async with device(house.broker_port) as panel:
        await panel.subscribe("panel")
        receipt = await bus.Publish(dskity_pb2.PublishRequest(topic="panel", payload=b"hello"))
        assert receipt.accepted == dskity_pb2.ACCEPTED_BROKER
        await until(lambda: _heard(panel, "panel") == [b"hello"], "the device hears it")


async def test_a_device_answers_a_command(house: House) -> None:
    """One of MQTT 3.1.1, by the agreed topic."""
    async with device(house.broker_port) as vent:
        hear = vent.client.on_message

        def obey(client: object, data: object, message: object) -> None:
            assert hear is not None
            hear(client, data, message)  # type: ignore[arg-type]  # paho calls it so
            topic, payload, *_ = vent.received[-1]
            if not topic.endswith("/reply"):
                answer = {"id": json.loads(payload)["id"], "state": "succeeded", "result": 40}
                vent.client.publish(f"{topic}/reply", json.dumps(answer), qos=1)

        vent.client.on_message = obey
        await vent.subscribe("devices/vent-1/commands/+")
        done = await house.http.post("/commands/vent-1/open?wait=5", json={"percent": 40})
    assert (done.status_code, done.json()["state"], done.json()["result"]) == (200, "succeeded", 40)


async def test_a_signed_webhook_comes_onto_the_bus(house: House) -> None:
    """And a forged one is refused."""
    async with house.runtime.bus.stream("hooks/#") as hooks:
        body = b'{"zen":"quiet"}'
        headers = github(body, SECRET, event="ping")
        answer = await house.http.post("/webhooks/github", content=body, headers=headers)
        assert answer.status_code == 202
        hook = await anext(hooks)
    assert (hook.topic, hook.payload) == ("hooks/github/ping", body)
    forged = github(body, "a guess of sixteen", event="ping")
    refused = await house.http.post("/webhooks/github", content=body, headers=forged)
    assert refused.status_code == 401


def _heard(device: Device, topic: str) -> list[bytes]:
    return [payload for name, payload, *_ in device.received if name == topic]
