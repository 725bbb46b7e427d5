"""What the demo makes of its findings."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dskity.config import DSkitySettings
from dskity.demo import show
from dskity.demo.finding import CheckFailed, Finding, Result, expect
from dskity.demo.sightings import Sighting, Sightings

ABOUT = {"engine": "amqtt", "protocol": "MQTT 3.1.1", "ready_seconds": 0.2}
GOOD = Result("telemetry handled", Finding(3, [0.001, 0.002, 0.009], "a note"))
BAD = Result("request answered", None, "no reply within 5 s")


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> list[Result]:
    """What the checks will have found."""
    found = [GOOD]

    async def perform(_: DSkitySettings) -> tuple[dict[str, Any], list[Result]]:
        return ABOUT, found

    monkeypatch.setattr(show, "perform", perform)
    monkeypatch.setattr(show, "configure", lambda *_: None)
    return found


def test_percentiles_are_interpolated_and_in_milliseconds() -> None:
    finding = Finding(5, [0.001, 0.002, 0.003, 0.004, 0.005])
    assert finding.percentile(50) == pytest.approx(3.0)
    assert finding.percentile(99) == pytest.approx(4.96)
    assert Finding(1, [0.25]).percentile(99) == pytest.approx(250.0)
    assert Finding(1).percentile(50) is None


def test_the_table_has_a_row_for_each_check(
    results: list[Result], capsys: pytest.CaptureFixture[str]
) -> None:
    assert show.main(DSkitySettings.isolated()) == 0
    shown = capsys.readouterr().out
    assert "amqtt, MQTT 3.1.1: ready in 0.2 s" in shown
    assert " ".join(shown.split()).endswith("✓ telemetry handled 3 2.0 8.9 all 1 hold")


def test_one_failed_check_is_exit_code_1_and_says_why(
    results: list[Result], capsys: pytest.CaptureFixture[str]
) -> None:
    results.append(BAD)
    assert show.main(DSkitySettings.isolated()) == 1
    shown = capsys.readouterr().out
    assert "request answered: no reply within 5 s" in shown
    assert "1 failed" in shown


def test_json_is_one_line(results: list[Result], capsys: pytest.CaptureFixture[str]) -> None:
    results.append(BAD)
    assert show.main(DSkitySettings.isolated(), json=True) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {
        "ok": False,
        **ABOUT,
        "checks": [
            {
                "name": "telemetry handled",
                "ok": True,
                "count": 3,
                "p50_ms": pytest.approx(2.0),
                "p99_ms": pytest.approx(8.86),
                "note": "a note",
            },
            {"name": "request answered", "ok": False, "reason": "no reply within 5 s"},
        ],
    }


def test_what_is_expected_and_does_not_hold_fails_the_check() -> None:
    expect([1], "never said")
    with pytest.raises(CheckFailed, match="nothing came"):
        expect([], "nothing came")


async def test_sightings_are_waited_for_until_there_are_enough() -> None:
    """By device, and by topic or by what lies below one."""
    sightings = Sightings()
    for topic in ("a/b", "a/c", "b/a"):
        sightings.add(Sighting("watcher", "heard", 1.0, topic, "{}"))
    sightings.add(Sighting("panel", "heard", 1.0, "a/b"))
    found = await sightings.wait("watcher", "a/", count=2)
    assert [sighting.topic for sighting in found] == ["a/b", "a/c"]
    assert len(sightings.heard("watcher", "a/b")) == 1


async def test_waiting_in_vain_says_for_what() -> None:
    with pytest.raises(CheckFailed, match=r"panel heard 0 of 1 on a/b within 0\.01 s"):
        await Sightings().wait("panel", "a/b", within=0.01)
