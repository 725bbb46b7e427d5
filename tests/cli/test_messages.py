"""`dskity pub`, `sub` and `request` on a real broker, with foreign clients on the other side."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.cli.conftest import parsed
from tests.servers import HOST, ServerProcess, free_port, mosquitto, program

if TYPE_CHECKING:
    from tests.cli.conftest import Dskity

ROOT = Path(__file__).parents[2]


@pytest.fixture
def broker() -> Iterator[ServerProcess]:
    """A mosquitto, at `broker.port` of the settings in the working directory."""
    with mosquitto() as server:
        Path("settings.yaml").write_text(f"broker: {{port: {server.port}}}\n")
        yield server


@pytest.fixture
def client(broker: ServerProcess) -> Iterator[paho.Client]:
    """A foreign client of MQTT 5, connected."""
    mqtt = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    up = threading.Event()
    mqtt.on_connect = lambda *_: up.set()
    mqtt.connect(HOST, broker.port)
    mqtt.loop_start()
    assert up.wait(10)
    yield mqtt
    mqtt.disconnect()
    mqtt.loop_stop()


def subscribe(client: paho.Client, topic: str, seen: Callable[[paho.MQTTMessage], None]) -> None:
    """Return when the broker has granted it."""
    granted = threading.Event()
    client.on_subscribe = lambda *_: granted.set()
    client.message_callback_add(topic, lambda _, __, message: seen(message))
    client.subscribe(topic, qos=1)
    assert granted.wait(10)


def test_pub_reaches_a_foreign_client_with_all_that_mqtt_5_carries(
    dskity: Dskity, client: paho.Client
) -> None:
    """Headers are user properties."""
    came = threading.Event()
    messages: list[paho.MQTTMessage] = []

    def take(message: paho.MQTTMessage) -> None:
        messages.append(message)
        came.set()

    subscribe(client, "a/b", take)
    result = dskity(
        "pub", "a/b", '{"c": 21}', "--header", "site=north", "--content-type", "application/json",
        "--expires-in", "60", "--json",
    )  # fmt: skip
    assert result.exit_code == 0
    receipt = parsed(result)
    assert (receipt["topic"], receipt["qos"], receipt["accepted"]) == ("a/b", 1, "broker")
    assert came.wait(10)
    assert messages[0].payload == b'{"c": 21}'
    properties: Any = messages[0].properties
    assert properties.UserProperty == [("site", "north")]
    assert properties.ContentType == "application/json"
    assert properties.MessageExpiryInterval <= 60


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_pub_publishes_nothing_but_its_message(
    dskity: Dskity, client: paho.Client, protocol: str
) -> None:
    """Neither a trial of the broker nor a presence."""
    ended = threading.Event()
    topics: list[str] = []

    def take(message: paho.MQTTMessage) -> None:
        topics.append(message.topic)
        if message.topic == "end":
            ended.set()

    subscribe(client, "#", take)
    assert dskity("pub", "a/b", "x", f"--set=common.mqtt.protocol={protocol}").exit_code == 0
    client.publish("end", qos=1)
    assert ended.wait(10)
    assert topics == ["a/b", "end"]


@pytest.mark.parametrize(
    ("args", "line"),
    [
        ((), "a: QoS 1, acknowledged by the broker; no client is subscribed\n"),
        (("--qos", "0"), "a: QoS 0, sent without confirmation\n"),
        (("--qos", "2", "--retain"), "a: QoS 2, acknowledged by the broker"),
    ],
)
@pytest.mark.usefixtures("broker")
def test_pub_says_who_has_the_message(dskity: Dskity, args: tuple[str, ...], line: str) -> None:
    """And where the broker tells, that nobody wanted it."""
    result = dskity("pub", "a", "x", *args)
    assert result.exit_code == 0
    assert result.stdout.startswith(line)


@pytest.mark.usefixtures("broker")
def test_payloads_from_a_file_and_from_standard_input(dskity: Dskity, folder: Path) -> None:
    """Byte for byte; `sub` shows bytes that are no text as base64 in JSON, escaped in text."""
    (folder / "blob").write_bytes(b"\xff\x00")
    assert dskity("pub", "blob", "@blob", "--retain").exit_code == 0
    assert dskity("pub", "text", "-", "--retain", stdin="grün".encode()).exit_code == 0
    blob = parsed(dskity("sub", "blob", "--count", "1", "--timeout", "10", "--json"))
    assert base64.b64decode(blob["payload_base64"]) == b"\xff\x00"
    assert (blob["topic"], blob["retain"]) == ("blob", True)
    assert dskity("sub", "blob", "-n", "1", "-t", "10").stdout == "blob \\xff\\x00\n"
    text = dskity("sub", "+", "--count", "2", "--timeout", "10").stdout
    assert "text grün\n" in text


HOSTILE = "\x1b[31mred\x1b]0;title\x07\r\nforged [bold]line\x9b2J\x7f"


@pytest.mark.parametrize("verb", ["sub", "request"])
def test_a_payload_does_not_steer_the_terminal(
    dskity: Dskity, client: paho.Client, verb: str
) -> None:
    """Escaped, on one line of `sub`; `--json` has all of it, escaped by JSON."""
    client.publish("hostile", HOSTILE, qos=1, retain=True).wait_for_publish(10)

    def answer(message: paho.MQTTMessage) -> None:
        properties: Any = message.properties
        echo = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        echo.CorrelationData = properties.CorrelationData
        client.publish(properties.ResponseTopic, HOSTILE, qos=1, properties=echo)

    subscribe(client, "ask", answer)
    args = ("sub", "hostile", "-n", "1", "-t", "10") if verb == "sub" else ("request", "ask")
    shown = dskity(*args).stdout
    quoted = r"\x1b[31mred\x1b]0;title\x07\x0d|forged [bold]line\x9b2J\x7f"
    if verb == "sub":
        assert shown == "hostile " + quoted.replace("|", r"\x0a") + "\n"
    else:
        assert shown == quoted.replace("|", "\n") + "\n"
    raw = dskity(*args, "--json").stdout
    assert raw.isprintable() or raw[:-1].isprintable()
    assert json.loads(raw)["payload"] == HOSTILE


def test_sub_prints_what_foreign_clients_publish(broker: ServerProcess) -> None:
    """One line each, as they come, until the count is reached."""
    args = ("sub", "devices/{device}/telemetry", "--count", "3", "--timeout", "20", "--json")
    with subprocess.Popen(
        [sys.executable, "-c", "from dskity.cli import main; main()", *args],
        env={"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "subscribed to devices/{device}/telemetry\n"
        for number in range(3):
            command = (
                program("mosquitto_pub", "mosquitto-clients"), "-p", str(broker.port), "-q", "1",
                "-t", f"devices/d{number}/telemetry", "-m", str(number),
            )  # fmt: skip
            subprocess.run(command, check=True)
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    messages = [json.loads(line) for line in output.splitlines()]
    assert [(m["topic"], m["payload"]) for m in messages] == [
        (f"devices/d{number}/telemetry", str(number)) for number in range(3)
    ]


@pytest.mark.usefixtures("broker")
def test_sub_ends_after_the_time_out(dskity: Dskity) -> None:
    """A success, unless a count was asked for."""
    result = dskity("sub", "silent", "--timeout", "0.1")
    assert (result.exit_code, result.stdout) == (0, "")
    result = dskity("sub", "silent", "--timeout", "0.1", "--count", "1")
    assert result.exit_code == 1
    assert "0 of 1 messages arrived in time" in result.stderr


def test_request_prints_the_reply_of_a_foreign_client(dskity: Dskity, client: paho.Client) -> None:
    """By MQTT 5's response topic and correlation data."""

    def answer(message: paho.MQTTMessage) -> None:
        request: Any = message.properties
        reply: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        reply.CorrelationData = request.CorrelationData
        client.publish(request.ResponseTopic, message.payload.upper(), 1, properties=reply)

    subscribe(client, "shout", answer)
    result = dskity("request", "shout", "hello", "--timeout", "10")
    assert (result.exit_code, result.stdout) == (0, "HELLO\n")
    assert parsed(dskity("request", "shout", "hello", "--json"))["payload"] == "HELLO"


def test_a_request_that_nobody_answers(dskity: Dskity, client: paho.Client) -> None:
    """At once where nobody is subscribed, else after the time-out."""
    result = dskity("request", "nobody", "--timeout", "10")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: no client is subscribed to 'nobody'\n"
    subscribe(client, "mute", lambda _: None)
    result = dskity("request", "mute", "--timeout", "0.2", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stderr)["error"] == "RequestTimeout"


@pytest.mark.parametrize("verb", [("pub", "a", "x"), ("sub", "a"), ("request", "a")])
def test_no_broker_is_an_error_that_says_so(dskity: Dskity, verb: tuple[str, ...]) -> None:
    """Within the time that connecting may take."""
    result = dskity(
        *verb, "--url", f"mqtt://{HOST}:{free_port()}", "--set", "common.mqtt.connect_timeout=0.3"
    )
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: not connected to the broker: ")


def test_url_wins_over_the_settings(dskity: Dskity, broker: ServerProcess, folder: Path) -> None:
    """For a broker that is not this project's."""
    (folder / "settings.yaml").write_text("common: {mqtt: {url: mqtt://127.0.0.1:1}}")
    assert dskity("pub", "a", "x", "--url", f"mqtt://{HOST}:{broker.port}").exit_code == 0
