"""A reply address gives nobody rights: with a token for `echo` alone nothing else can be reached.

An actuator of the same runtime, a device's command topic, and `commands/execute` are tried, over
HTTP, gRPC, a webhook and MQTT of both versions, on a real mosquitto.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from grpc import aio
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from dskity.bus import envelope
from dskity.bus.message import Message
from dskity.bus.requests.reply_addresses import Replying
from dskity.modules.grpc.v1 import dskity_pb2 as pb
from dskity.modules.grpc.v1.dskity_pb2_grpc import BusStub
from tests.house_bus import memory_house
from tests.http.test_guard import bearer
from tests.runtime.house import House, started, write_module
from tests.servers import HOST
from tests.waiting import until

ECHO = "e" * 32
TOKENS = [{"name": "echoes", "token": ECHO, "publish": ["echo", "dskity/services/ping"]}]
COMMAND = b'{"target":"pump","command":"open"}'
TARGETS = ("actuators/valve", "devices/pump/commands/open", "dskity/commands/execute")
MODULE = """
    from typing import Any

    from dskity.modules import Message, Module, ModuleMeta, on

    class Plant(Module):
        meta = ModuleMeta("plant", "/plant")

        def __init__(self) -> None:
            self.driven: list[Any] = []
            self.asked: list[bytes] = []

        @on("echo")
        async def echo(self, message: Message) -> dict[str, Any]:
            self.asked.append(message.payload)
            return {"target": "pump", "command": "open"}

        @on("actuators/{name}")
        async def drive(self, message: Message) -> None:
            self.driven.append(message.payload)
"""


class Device:
    """The pump, an MQTT client that also publishes; `got` are topics and payloads."""

    def __init__(self, version: MQTTProtocolVersion) -> None:
        self.client = Client(CallbackAPIVersion.VERSION2, "pump", protocol=version)
        self.got: list[tuple[str, bytes]] = []
        self.ready = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.client.on_connect = lambda client, *_: client.subscribe(
            [("devices/#", 1), ("answers/#", 1)]
        )

        def on_subscribe(*_: Any) -> None:
            loop.call_soon_threadsafe(self.ready.set)

        self.client.on_subscribe = on_subscribe
        self.client.on_message = self._heard

    def _heard(self, _: Client, __: Any, message: MQTTMessage) -> None:
        self.got.append((message.topic, bytes(message.payload)))


@contextlib.asynccontextmanager
async def pump(house: House, version: MQTTProtocolVersion) -> AsyncIterator[Device]:
    """The device, connected and subscribed."""
    device = Device(version)
    device.client.connect(HOST, house.broker_port)
    device.client.loop_start()
    try:
        async with asyncio.timeout(5):
            await device.ready.wait()
        yield device
    finally:
        device.client.disconnect()
        await asyncio.to_thread(device.client.loop_stop)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """The runtime with `echo` and an actuator, for a token that may publish to `echo`."""
    write_module(tmp_path, "plant.py", MODULE)
    async with started(
        tmp_path,
        broker={"engine": "mosquitto"},
        security={"tokens": TOKENS},
        webhooks={"open": {"preset": "none", "topic": "echo"}},
    ) as it:
        yield it


def plant(house: House) -> Any:
    """The module."""
    return house.runtime.supervisor._units["plant"].found.module


def enveloped(reply_to: str) -> bytes:
    """A request as MQTT 3.1.1 carries it; its data would be a command."""
    return envelope.wrap(Message("echo", COMMAND, reply_to=reply_to), "/x", 0.0)


Way = Callable[[House, Device, str], Awaitable[None]]


async def by_http(house: House, _: Device, reply_to: str) -> None:
    answer = await house.http.post(
        "/topics/echo", content=enveloped(reply_to), headers=bearer(ECHO)
    )
    assert answer.status_code == 202


async def by_http_request(house: House, _: Device, reply_to: str) -> None:
    answer = await house.http.post(
        "/requests/echo", content=enveloped(reply_to), headers=bearer(ECHO)
    )
    assert answer.json() == {"target": "pump", "command": "open"}


async def by_webhook(house: House, _: Device, reply_to: str) -> None:
    answer = await house.http.post("/webhooks/open", content=enveloped(reply_to))
    assert answer.status_code == 202


async def by_grpc(house: House, _: Device, reply_to: str) -> None:
    assert house.runtime.grpc is not None
    async with aio.insecure_channel(f"{HOST}:{house.runtime.grpc.port}") as channel:
        await BusStub(channel).Publish(
            pb.PublishRequest(topic="echo", payload=enveloped(reply_to)),
            metadata=(("authorization", f"Bearer {ECHO}"),),
        )


async def by_grpc_request(house: House, _: Device, reply_to: str) -> None:
    assert house.runtime.grpc is not None
    async with aio.insecure_channel(f"{HOST}:{house.runtime.grpc.port}") as channel:
        answer = await BusStub(channel).Request(
            pb.RequestRequest(topic="echo", payload=enveloped(reply_to)),
            metadata=(("authorization", f"Bearer {ECHO}"),),
        )
    assert json.loads(answer.payload) == {"target": "pump", "command": "open"}


async def by_mqtt_5(_: House, device: Device, reply_to: str) -> None:
    properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.ResponseTopic = reply_to
    device.client.publish("echo", COMMAND, qos=1, properties=properties)


async def by_mqtt_311(_: House, device: Device, reply_to: str) -> None:
    device.client.publish("echo", enveloped(reply_to), qos=1)


DOORS = (by_http, by_http_request, by_grpc, by_grpc_request, by_webhook)
WIRES = (by_mqtt_5, by_mqtt_311)


def version_for(way: Way) -> MQTTProtocolVersion:
    return MQTTProtocolVersion.MQTTv311 if way is by_mqtt_311 else MQTTProtocolVersion.MQTTv5


async def settled(house: House, device: Device, way: Way) -> None:
    """Return when the request was handled, and what it would have caused has been seen: a marker
    that was sent behind it has come to the device and to the actuator."""
    module = plant(house)
    await until(lambda: module.asked, f"the request is handled ({way.__name__})")
    await until(lambda: not house.runtime.bus.counters.unrouted, "nothing is left over")
    await house.runtime.bus.publish("devices/marker", b"")
    await until(lambda: ("devices/marker", b"") in device.got, "the marker")
    await house.runtime.bus.publish("actuators/marker", b"marker")
    await until(lambda: b"marker" in module.driven, "the actuator's marker")


@pytest.mark.parametrize("way", [*DOORS, *WIRES], ids=lambda way: way.__name__)
@pytest.mark.parametrize("target", TARGETS)
async def test_a_right_to_echo_reaches_nothing_else(house: House, way: Way, target: str) -> None:
    """The request is handled; its answer drives no actuator and sends no command."""
    async with pump(house, version_for(way)) as device:
        await way(house, device, target)
        await settled(house, device, way)
        assert device.got == [("devices/marker", b"")]
        assert plant(house).driven == [b"marker"]
        assert await house.runtime.clients.commands.list() == []


@pytest.mark.parametrize("way", [by_http, by_grpc, by_webhook], ids=lambda way: way.__name__)
async def test_an_envelope_through_a_door_needs_the_right_to_its_reply_address(
    house: House, way: Way
) -> None:
    """Without it the handler gets the body as it is, a space before it, and nobody is answered."""
    async with pump(house, MQTTProtocolVersion.MQTTv5) as device:
        await way(house, device, "answers/mine")
        await settled(house, device, way)
        assert plant(house).asked == [b" " + plant(house).asked[0].lstrip()]
        assert json.loads(plant(house).asked[0])["replyto"] == "answers/mine"
        assert device.got == [("devices/marker", b"")]


@pytest.mark.parametrize("way", WIRES, ids=lambda way: way.__name__)
async def test_a_device_gets_its_answer_where_it_asked_for_it(house: House, way: Way) -> None:
    """On a topic that is nobody's: MQTT 5 response topic and envelope alike."""
    async with pump(house, version_for(way)) as device:
        await way(house, device, "answers/mine")
        await until(lambda: device.got, "the answer")
        assert device.got[0][0] == "answers/mine"


async def test_an_envelope_of_a_caller_with_the_right_to_its_reply_address_counts(
    tmp_path: Path,
) -> None:
    """As over MQTT."""
    write_module(tmp_path, "plant.py", MODULE)
    tokens = [{"name": "e", "token": ECHO, "publish": ["echo", "answers/#"]}]
    async with (
        started(tmp_path, broker={"engine": "mosquitto"}, security={"tokens": tokens}) as house,
        pump(house, MQTTProtocolVersion.MQTTv5) as device,
    ):
        await by_http(house, device, "answers/mine")
        await until(lambda: device.got, "the answer")
        assert plant(house).asked == [COMMAND]


async def test_reply_topics_narrow_it_further(tmp_path: Path) -> None:
    """To those filters, and to `{root}/reply/`, which requests by runtimes use."""
    write_module(tmp_path, "plant.py", MODULE)
    async with (
        started(
            tmp_path, broker={"engine": "mosquitto"}, bus={"reply_topics": ["answers/yes/+"]}
        ) as house,
        pump(house, MQTTProtocolVersion.MQTTv5) as device,
    ):
        await by_mqtt_5(house, device, "answers/no")
        await by_mqtt_5(house, device, "answers/yes/1")
        await until(lambda: device.got, "an answer")
        assert [topic for topic, _ in device.got] == ["answers/yes/1"]
        assert (await house.http.post("/requests/echo")).status_code == 200


async def test_a_refused_reply_is_counted_and_told_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With its topic, escaped; the request is handled all the same."""
    async with memory_house() as house:
        asked: list[bytes] = []

        async def echo(message: Message) -> str:
            asked.append(message.payload)
            return "echo"

        await house.bus.subscribe("echo", echo)
        with caplog.at_level(logging.WARNING, "dskity.bus.requests.reply_addresses"):
            for number in range(3):
                await house.bus.send(Message("echo", b"x", reply_to=f"dskity/kv/put/{number}"))
            await until(lambda: len(asked) == 3, "all are handled")
        await until(lambda: house.bus.counters.replies_refused == 3, "all are refused")
    told = [record.message for record in caplog.records]
    assert len(told) == 1
    assert "no reply goes to dskity/kv/put/0: it is reserved for the topics of DSkity" in told[0]


@pytest.mark.parametrize(
    ("topic", "refused"),
    [
        ("dskity", True),
        ("dskity/kv/put", True),
        ("dskity/reply", True),
        ("dskity/replying", True),
        ("dskity/reply/one/a", False),
        ("dskityx/kv/put", False),
        ("other/reply/x", False),
        ("devices/a/commands/b", True),
        ("devices/a/commands/b/answer", False),
        ("handled", True),
    ],
)
async def test_where_replies_may_go(topic: str, refused: bool) -> None:
    """Not to what is ours, handled, or a command; anywhere else."""
    async with memory_house() as house:
        replying = Replying("dskity", None, house.bus.counters, house.bus.clock)
        replying.protect("devices/+/commands/+")
        assert replying.refuses(topic, lambda topic: topic == "handled") is refused


def test_what_may_be_an_envelope_elsewhere_counts_as_one_nowhere() -> None:
    """What we cannot read, another version might; other CloudEvents stay as they are."""
    for broken in (b'{"specversion":1,"replyto":"a"', b'{"specversion":1,"reply\\u0074o":[]}'):
        assert envelope.reply_address(broken) == ""
    for innocent in (b'{"specversion":"1.0","type":"x"}', b' {"specversion"', b"replyto"):
        assert envelope.reply_address(innocent) is None
