"""`dskity doctor` on real brokers, with modules whose guarantees hold and do not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest

from dskity.broker.engines.amqtt.engine import AmqttBroker
from dskity.broker.engines.listen import Listen
from dskity.broker.probe.findings import Finding, FindingName
from dskity.cli.checks.meanings import meaning, question
from tests.cli.conftest import parsed
from tests.servers import HOST, ServerProcess, free_port, mosquitto

if TYPE_CHECKING:
    from tests.cli.conftest import Dskity

PRESS = """
from dskity.handlers import Dedupe
from dskity.modules import Module, ModuleMeta, on

class Press(Module):
    meta = ModuleMeta("press")

    @on("press/{number}/telemetry", group="crew", dedupe=Dedupe("header:id"), ack="stored")
    async def telemetry(self, number: str, reading: bytes) -> None: ...

    @on("press/{number}/log", qos=0, order_by=None)
    async def log(self, number: str, line: bytes) -> None: ...

    @on("press/{number}/item", group="crew", best_effort=True)
    async def item(self, number: str, item: bytes) -> None: ...
"""
CLOUD = """
from dskity.modules import Module, ModuleMeta, on

class Cloud(Module):
    meta = ModuleMeta("cloud")

    @on("orders", connection="cloud", order_by=None)
    async def order(self, order: bytes) -> None: ...
"""


@pytest.fixture
def broker() -> Iterator[ServerProcess]:
    """A mosquitto, at `broker.port` of the settings in the working directory."""
    with mosquitto() as server:
        Path("settings.yaml").write_text(f"broker: {{port: {server.port}}}\n")
        yield server


@pytest.fixture
async def amqtt() -> AsyncIterator[str]:
    """The URL of our amqtt."""
    engine = AmqttBroker(Listen(port=free_port()))
    await engine.start()
    yield engine.url
    await engine.stop()


def write(name: str, source: str) -> None:
    """A module of the project in the working directory."""
    Path("modules").mkdir(exist_ok=True)
    Path("modules", f"{name}.py").write_text(source)


def held(answer: Any, filter: str) -> dict[str, str]:
    """The verdicts on the guarantees of a route."""
    rows = [row for row in answer["guarantees"] if row["filter"] == filter]
    return {row["guarantee"]: row["verdict"] for row in rows}


def found(answer: Any, connection: str = "default") -> dict[str, str]:
    """The verdicts on a broker."""
    findings = answer["brokers"][connection]["findings"]
    return {finding["name"]: finding["verdict"] for finding in findings}


def test_all_holds_on_mosquitto(dskity: Dskity, broker: ServerProcess) -> None:
    """Two tables, and exit code 0."""
    write("press", PRESS)
    result = dskity("doctor")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"broker default: mqtt://{HOST}:{broker.port}\n")
    for name in get_args(FindingName):
        assert question(name) in result.stdout
    assert "group='crew'" in result.stdout


@pytest.mark.usefixtures("broker")
def test_what_3_1_1_cannot_do_is_a_failure_only_for_routes_that_need_it(dskity: Dskity) -> None:
    """Headers; mosquitto shares there too."""
    write("press", PRESS)
    result = dskity("doctor", "--json", "--set", "common.mqtt.protocol=3.1.1")
    answer = parsed(result)
    assert (result.exit_code, answer["hold"]) == (1, False)
    assert held(answer, "press/{number}/telemetry") == {
        "qos=1": "yes",
        "group='crew'": "yes",
        "order_by='topic'": "yes",
        "dedupe": "no",
        "ack='stored'": "yes",
    }
    assert held(answer, "press/{number}/log") == {"qos=0": "yes"}


@pytest.mark.usefixtures("broker")
def test_on_3_1_1_all_holds_without_headers(dskity: Dskity) -> None:
    """The same module with a key in the payload."""
    write("press", PRESS.replace("header:id", "id"))
    assert dskity("doctor", "--set", "common.mqtt.protocol=3.1.1").exit_code == 0


async def test_groups_on_amqtt(dskity: Dskity, amqtt: str) -> None:
    """One does not hold; the other one said best effort."""
    write("press", PRESS)
    result = await asyncio.to_thread(dskity, "doctor", "--url", amqtt, "--json")
    answer = parsed(result)
    assert (result.exit_code, answer["hold"]) == (1, False)
    assert found(answer)["shared"] == "no"
    assert held(answer, "press/{number}/telemetry")["group='crew'"] == "no"
    assert held(answer, "press/{number}/item")["group='crew'"] == "yes"
    [row] = [
        row
        for row in answer["guarantees"]
        if row["filter"] == "press/{number}/item" and row["guarantee"] == "group='crew'"
    ]
    assert row["reason"] == "by best effort: every member gets every message"


@pytest.mark.usefixtures("broker")
def test_routes_of_a_named_connection_are_judged_on_its_broker(dskity: Dskity) -> None:
    """A name that the settings do not have is said so."""
    write("cloud", CLOUD)
    answer = parsed(dskity("doctor", "--json"))
    assert held(answer, "orders") == {"connection": "no"}
    with mosquitto(("max_queued_messages 100",)) as cloud:
        url = f"mqtt://{HOST}:{cloud.port}"
        result = dskity("doctor", "--json", "--set", f"mqtt.cloud.url={url}")
        answer = parsed(result)
    assert (result.exit_code, held(answer, "orders")) == (0, {"qos=1": "yes"})
    details = {
        name: {finding["name"]: finding["detail"] for finding in broker["findings"]}
        for name, broker in answer["brokers"].items()
    }
    assert details["cloud"]["persistent"] == "100 of 1,200 messages"
    assert details["default"]["persistent"] == "at least 1,200 messages"


@pytest.mark.usefixtures("broker")
def test_a_broken_module_fails_the_examination(dskity: Dskity) -> None:
    """For nobody knows what its routes declare."""
    write("torn", "import no_such_package")
    result = dskity("doctor")
    assert result.exit_code == 1
    assert "module torn is broken, its routes are not known: " in result.stderr


@pytest.mark.usefixtures("broker")
def test_without_modules_the_broker_alone_is_examined(dskity: Dskity) -> None:
    """Nothing is declared, so all of it holds."""
    result = dskity("doctor")
    assert result.exit_code == 0
    assert result.stderr == "no module declares a route with @on\n"


def test_no_broker_is_one_clear_line(dskity: Dskity) -> None:
    """Text, or JSON."""
    url = f"mqtt://{HOST}:{free_port()}"
    result = dskity("doctor", "--url", url)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"error: {url}: connection refused\n"
    result = dskity("doctor", "--url", url, "--json")
    assert json.loads(result.stderr)["error"] == "NotConnected"


@pytest.mark.parametrize("name", get_args(FindingName))
def test_every_finding_has_a_meaning(name: FindingName) -> None:
    """Whatever the verdict is."""
    assert meaning(Finding(name, "yes")).endswith(".")
    assert meaning(Finding(name, "unknown")).startswith("Not known.")
