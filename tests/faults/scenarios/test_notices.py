"""The suite notices a loss: the same scenarios with something broken on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import watching
from tests.faults.outcome import Size
from tests.faults.scenarios.broker_away import broker_away
from tests.faults.scenarios.broker_killed import forgotten
from tests.faults.scenarios.runtime_killed import runtime_killed
from tests.faults.tap import Tap
from tests.servers import mosquitto, program


@pytest.fixture(autouse=True)
def _mosquitto(monkeypatch: pytest.MonkeyPatch) -> None:
    program("mosquitto", "mosquitto")
    monkeypatch.setattr(watching, "PATIENCE", 3.0)  # what is lost is waited for in vain


async def test_messages_that_are_acknowledged_before_they_are_handled(tmp_path: Path) -> None:
    outcome = await runtime_killed(Size(400, 2), tmp_path, pause=0.5, careless=True)
    assert outcome.accepted == 400
    assert outcome.lost > 0


async def test_an_outbox_that_is_gone(tmp_path: Path) -> None:
    def lose() -> None:
        for file in (tmp_path / "state").glob("outbox.db*"):
            file.unlink()

    outcome = await broker_away(Size(5_000, 1), tmp_path, while_down=lose)
    assert outcome.accepted == 5_000
    assert outcome.lost > 0


async def test_what_the_broker_never_acknowledged_is_not_forgotten_by_it() -> None:
    """It was ours to keep, so it is lost."""
    with mosquitto() as broker:
        wire = Tap(broker.port)
        wire.acknowledged.add(1)
        assert forgotten({1, 2, 3}, {1, 2}, wire, broker.port) == {2}
