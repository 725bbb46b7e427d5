"""All faults together, for half a minute; `scripts/faults --soak` takes ten."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from tests.faults.soaking.soak import soak
from tests.faults.soaking.troubles import KILLING, STANDING, deck

_ALL = {trouble.__name__ for trouble in (*KILLING, *STANDING)}


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_mix_of_all_faults_loses_nothing_and_stops_nothing(tmp_path: Path) -> None:
    """Three runtimes at two brokers, each killed and hit by every fault."""
    rows = await soak(tmp_path, 30, seed=7)
    assert [row.name for row in rows] == ["one", "two", "three"]
    for row in rows:
        assert row.outcome.wrong == ()
        assert row.outcome.lost == 0
        assert row.outcome.pause.stood_still == 0
        assert row.outcome.dead > 0
        assert set(row.troubles) == _ALL
        assert row.kills >= len(KILLING)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_soak_notices_losses_and_pauses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Handlers acknowledge before they are done, and no pause is allowed."""
    monkeypatch.setattr("tests.faults.soaking.soak.ALLOWED", 1.0)
    monkeypatch.setattr("tests.faults.soaking.soak._PATIENCE", 2.0)
    outcomes = [row.outcome for row in await soak(tmp_path, 20, seed=7, careless=True)]
    assert all(outcome.lost for outcome in outcomes)
    assert all(outcome.pause.stood_still for outcome in outcomes)


def test_a_seed_gives_the_same_faults_again() -> None:
    """Every kind in each round; without kills, those that kill only in the first."""
    first, again = (
        [*itertools.islice(deck(random.Random("7 one"), killed=True), 12)] for _ in range(2)
    )
    assert first == again
    assert set(first[:6]) == set(first[6:]) == {*KILLING, *STANDING}
    spared = [*itertools.islice(deck(random.Random("7 three"), killed=False), 12)]
    assert set(spared[:6]) == {*KILLING, *STANDING}
    assert set(spared[6:9]) == set(spared[9:]) == set(STANDING)
