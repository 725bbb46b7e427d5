"""Commands through mosquitto to a device with another MQTT library, of either version."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Literal

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from dskity.broker.aiomqtt.transport import AiomqttTransport
from dskity.broker.settings import ConnectionSettings
from dskity.bus.bus import Bus
from dskity.bus.errors import NoResponder
from dskity.handlers import Dispatcher
from dskity.modules.commands.service import CommandService
from tests.servers import HOST, ServerProcess, mosquitto
from tests.waiting import until

Answer = Callable[[Client, MQTTMessage], None]
V5, V311 = MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311


@pytest.fixture(scope="module")
def broker() -> Iterator[ServerProcess]:
    """One mosquitto for all tests here."""
    with mosquitto() as server:
        yield server


@contextlib.asynccontextmanager
async def commands_over(
    broker: ServerProcess, protocol: Literal["5", "3.1.1"]
) -> AsyncIterator[CommandService]:
    """The service on a bus of a protocol version."""
    settings = ConnectionSettings(
        f"mqtt://{HOST}:{broker.port}", f"runtime-{protocol}", protocol=protocol
    )
    dispatcher = Dispatcher()
    bus = Bus(AiomqttTransport(settings), dispatcher)
    commands = CommandService(bus)
    await bus.start()
    await bus.link.wait_connected(5)
    await commands.start()
    try:
        yield commands
    finally:
        await commands.stop()
        await dispatcher.close()
        await bus.close()


@contextlib.asynccontextmanager
async def device(
    broker: ServerProcess, version: MQTTProtocolVersion, answer: Answer
) -> AsyncIterator[list[bytes]]:
    """The device `vent`; yields the payloads that it got."""
    got: list[bytes] = []
    client = Client(CallbackAPIVersion.VERSION2, "vent-device", protocol=version)
    ready = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_connect(client: Client, *_: Any) -> None:
        client.subscribe("devices/vent/commands/+", qos=1)

    def on_subscribe(*_: Any) -> None:
        loop.call_soon_threadsafe(ready.set)

    def on_message(client: Client, _: Any, message: MQTTMessage) -> None:
        got.append(bytes(message.payload))
        answer(client, message)

    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    client.on_message = on_message
    client.connect(HOST, broker.port)
    client.loop_start()
    try:
        async with asyncio.timeout(5):
            await ready.wait()
        yield got
    finally:
        client.disconnect()
        await asyncio.to_thread(client.loop_stop)


def on_the_reply_topic(client: Client, message: MQTTMessage) -> None:
    """What a device of any version can do."""
    fields = json.loads(message.payload)
    progress = {"id": fields["id"], "state": "in_progress", "progress": 50}
    done = {"id": fields["id"], "state": "succeeded", "result": {"open": fields["percent"]}}
    for reply in (progress, done):
        client.publish(f"{message.topic}/reply", json.dumps(reply), qos=1)


def on_the_response_topic(client: Client, message: MQTTMessage) -> None:
    """What a device with MQTT 5 may do: it need not look at the id."""
    asked: Any = message.properties
    properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.CorrelationData = asked.CorrelationData
    result = json.dumps({"open": json.loads(message.payload)["percent"]})
    client.publish(asked.ResponseTopic, result, qos=1, properties=properties)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize("version", [V5, V311])
async def test_a_device_of_any_version_answers_on_the_reply_topic(
    broker: ServerProcess, protocol: Literal["5", "3.1.1"], version: MQTTProtocolVersion
) -> None:
    """Whatever version we speak ourselves: the bytes are plain JSON with the id."""
    async with (
        commands_over(broker, protocol) as commands,
        device(broker, version, on_the_reply_topic) as got,
    ):
        execution = await commands.execute("vent", "open", {"percent": 40}, wait=5)
    assert (execution.state, execution.result, execution.progress) == (
        "succeeded",
        {"open": 40},
        50,
    )
    assert [json.loads(payload) for payload in got] == [{"id": execution.id, "percent": 40}]


async def test_a_device_with_mqtt_5_answers_on_the_response_topic(broker: ServerProcess) -> None:
    """With the correlation data echoed."""
    async with (
        commands_over(broker, "5") as commands,
        device(broker, V5, on_the_response_topic),
    ):
        execution = await commands.execute("vent", "open", {"percent": 40}, wait=5)
    assert (execution.state, execution.result) == ("succeeded", {"open": 40})


async def test_mosquitto_says_when_no_device_is_there(broker: ServerProcess) -> None:
    """MQTT 5 tells; 3.1.1 cannot, and the command waits for its ttl."""
    async with commands_over(broker, "5") as commands:
        with pytest.raises(NoResponder):
            await commands.execute("ghost", "open", require_responder=True)
    async with commands_over(broker, "3.1.1") as commands:
        execution = await commands.execute("ghost", "open", require_responder=True)
        assert execution.state == "sent"


async def test_hundreds_of_commands_at_once_are_each_answered(broker: ServerProcess) -> None:
    """Each by its own reply."""
    async with (
        commands_over(broker, "5") as commands,
        device(broker, V5, on_the_response_topic),
    ):
        executions = await asyncio.gather(
            *(commands.execute("vent", "open", {"percent": n}, wait=20) for n in range(300))
        )
        await until(lambda: commands.replies["changed"] == 300, "all replies")
    assert [e.result for e in executions] == [{"open": n} for n in range(300)]
