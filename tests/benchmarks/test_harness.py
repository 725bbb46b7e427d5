"""Each row runs with the least that it can, against the real broker."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import keeping
from benchmarks.figures import Measured, Table
from benchmarks.options import Options
from benchmarks.progress import Progress
from benchmarks.report import as_json, grid, markdown
from benchmarks.rows import consuming, requests
from benchmarks.rows.consuming import PEERS, Peer
from tests.servers import program

LEAST = Options(rounds=1, messages=1_000, keys=1_000)
OURS = [peer for peer in PEERS if peer.name.startswith("DSkity")]
FIGURES = Table("row", "A row", [Measured("it", "msg/s", [{"rate": 5.0, "lost": 2}])])


@pytest.fixture(autouse=True)
def _mosquitto() -> None:
    program("mosquitto", "mosquitto")


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("peer", OURS, ids=[peer.name for peer in OURS])
async def test_a_consumer_gets_every_message(peer: Peer, qos: int) -> None:
    sample = await consuming.consume(peer, qos, 400)
    assert sample["lost"] == 0
    assert sample["rate"] > 0


@pytest.mark.parametrize("row", ["memory", "routes"])
async def test_a_row_has_figures(row: str) -> None:
    run: Callable[[Options], Awaitable[Table]] = command.ROWS[row]
    table = await run(LEAST)
    assert table.key == row
    assert all(measured.median > 0 for measured in table.measured)
    assert any(measured.goals for measured in table.measured)


async def test_requests_of_the_bus_have_figures() -> None:
    """The peer of this row needs the extra `bench`."""
    sample = await requests.exchange(200, bare=False)
    assert 0 < sample["p50"] <= sample["p99"]
    assert sample["cpu"] > 0


@pytest.mark.parametrize("row", ["outbox", "inbox", "dedupe", "order", "middleware", "group"])
async def test_a_row_of_costs_has_figures_and_compares_them(row: str) -> None:
    run: Callable[[Options], Awaitable[Table]] = command.ROWS[row]
    table = await run(LEAST)
    assert table.key == row
    none = [measured.name for measured in table.measured if measured.median <= 0]
    assert [name for name in none if not name.startswith("others, while")] == []  # in one second
    assert not any(measured.lost for measured in table.measured)
    assert any(measured.notes for measured in table.measured)


def test_consumers_that_share_messages_tell_their_progress_together(tmp_path: Path) -> None:
    first, second = (Progress(tmp_path / "progress", member) for member in (0, 1))
    first.tell(30)
    second.tell(12)
    assert first.told() == second.told() == 42


def test_a_loss_is_shown_everywhere() -> None:
    assert "2 lost" in markdown(FIGURES)
    assert "2 lost" in str(next(iter(grid(FIGURES).columns[0].cells)))
    assert as_json([FIGURES])[0]["measured"][0]["lost"] == 2


def test_a_goal_tells_whether_it_is_met() -> None:
    measured = Measured("it", "msg/s", [{"rate": 30.0}, {"rate": 10.0}, {"rate": 20.0}])
    measured.at_least(2, "× other", measured.median / 10)
    measured.at_most(1, "s", 1.5)
    assert [goal.met for goal in measured.goals] == [True, False]
    assert [goal.shown for goal in measured.goals] == ["2 × other (≥ 2)", "1.5 s (≤ 1)"]


def test_the_docs_keep_what_stands_round_the_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "performance.md"
    page.write_text("before\n<!-- figures: begin -->\nold\n<!-- figures: end -->\nafter\n")
    monkeypatch.setattr(keeping, "PAGE", page)
    keeping.write_docs("scripts/bench", [FIGURES])
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "A row" in text
    assert "old" not in text


def test_a_run_is_kept_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "RESULTS", tmp_path)
    kept = json.loads(keeping.write_json("scripts/bench", [FIGURES]).read_text())
    assert kept["tables"][0]["measured"][0]["median"] == 5
    assert kept["versions"]["mosquitto"] != "unknown"
