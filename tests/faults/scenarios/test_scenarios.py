"""Nothing that was accepted is lost, whatever breaks; `scripts/faults` has bigger numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.scenarios import disk
from tests.faults.suite import SUITE, Scenario
from tests.faults.surroundings import may_mount
from tests.servers import program

_FULL_ONLY = {"backlog-200-MB"}
_FORGETFUL = {"broker-killed", "broker-killed-as-shipped", "broker-killed-under-us"}
SMALL = [scenario for scenario in SUITE if scenario.name not in _FULL_ONLY]


@pytest.mark.parametrize("scenario", SMALL, ids=[scenario.name for scenario in SMALL])
async def test_nothing_is_lost(scenario: Scenario, tmp_path: Path) -> None:
    """All is handled or a dead letter, but for what a broker has forgotten when it was killed."""
    program("mosquitto", "mosquitto")
    if scenario.run is disk.disk_read_only and not may_mount():
        pytest.skip("a read-only file system needs the right to mount")
    outcome = await scenario.run(scenario.small, tmp_path)
    assert outcome.lost == 0
    assert outcome.pause.stood_still == 0
    assert outcome.wrong == ()
    assert outcome.accepted == outcome.handled + outcome.dead + outcome.forgotten
    assert outcome.forgotten == 0 or scenario.name in _FORGETFUL
