"""`dskity demo`, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dskity.demo.show import CHECKS
from tests.runtime.program import running
from tests.servers import program

# What the issue of the main job asks of it, and what a run has at least of each.
COUNTS = {
    "telemetry handled, none lost": 200,
    "wrong type dead-lettered": 2,
    "garbage dead-lettered, next handled": 2,
    "alarm opens the vent": 1,
    "request answered": 20,
    "HTTP publish reaches a device": 20,
    "gRPC publish reaches a device": 20,
    "command answered by a device": 20,
    "signed webhook on the bus": 20,
    "forged webhook refused": 1,
    "key expires with an event": 10,
    "killed service goes down": 3,
    "module fails alone": 1,
}


def test_there_is_a_check_for_each_promise() -> None:
    assert [name for name, _ in CHECKS] == list(COUNTS)


@pytest.mark.parametrize(
    ("engine", "protocol"),
    [("mosquitto", "MQTT 5"), ("builtin", "MQTT 5")],
)
def test_every_check_holds(engine: str, protocol: str, tmp_path: Path) -> None:
    """On the broker that the settings name; nothing is left in the folder."""
    if engine == "mosquitto":
        program("mosquitto", "mosquitto")
    with running(
        "dskity", "demo", "--json", f"--set=broker.engine={engine}", folder=tmp_path
    ) as it:
        assert it.ended(50) == 0, it.output
        summary = json.loads(it.output)
    assert summary["ok"] is True
    assert (summary["engine"], summary["protocol"]) == (engine, protocol)
    for check in summary["checks"]:
        assert check["ok"] is True
        assert check["count"] >= COUNTS[check["name"]]
        assert check["p50_ms"] is None or 0 <= check["p50_ms"] <= check["p99_ms"]
    assert list(tmp_path.iterdir()) == []
