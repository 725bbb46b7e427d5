"""Metrics of a module never take away the page of all others, whatever they return or raise."""

from __future__ import annotations

import enum
import itertools
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dskity import Metric, Metrics, TransportClients
from dskity.bus.base.clock import VirtualClock
from dskity.bus.base.throttled_log import Pace
from dskity.modules.ops.metrics import render
from dskity.modules.ops.provided_metrics import HELD_SECONDS, MOST_METRICS, read_provided
from dskity.testing import Runtimes, ScriptedBroker, http_client, isolated_settings
from tests.providers.stage import Offers


@pytest.fixture
async def runtimes(tmp_path: Path) -> AsyncIterator[Runtimes]:
    """Whole ones, in memory."""
    runtimes = Runtimes(isolated_settings(tmp_path), ScriptedBroker())
    yield runtimes
    await runtimes.close()


class Level(enum.IntEnum):
    """A number of another class."""

    LOW = 1


class Odd(float):
    """A number that cannot be written."""

    def __format__(self, spec: str) -> str:
        raise SystemExit


def raises(error: BaseException) -> Callable[[], Iterable[Any]]:
    """A source that does."""

    def source() -> Iterable[Any]:
        raise error

    return source


def one(*fields: Any) -> Callable[[], Iterable[Any]]:
    """A source of one metric."""
    return lambda: [fields]


LEFT_OUT = {
    "SystemExit": raises(SystemExit("gone")),
    "KeyboardInterrupt": raises(KeyboardInterrupt()),
    "GeneratorExit": raises(GeneratorExit()),
    "group": raises(BaseExceptionGroup("several", [SystemExit()])),
    "a name that is a number": one(5, "counter", "x", 1),
    "no help": one("x", "counter", None, 1),
    "a kind that is a list": one("x", ["counter"], "x", 1),
    "no label": one("x", "counter", "x", {"a": 1}),
    "a label of two lines": one("x", "counter", "x", {"a": 1}, 'a="1"} 5\nforged 1\nx{b'),
    "a label of the scraper's own": one("x", "counter", "x", {"a": 1}, "__name__"),
    "values of a number": one("x", "counter", "x", {5: 1, "a": 2}, "label"),
    "too large": one("x", "gauge", "x", 10**400),
    "far too large": one("x", "gauge", "x", 10**5000),
}


async def test_those_that_would_break_the_page_are_left_out_and_named(
    runtimes: Runtimes, caplog: pytest.LogCaptureFixture
) -> None:
    def offer(clients: TransportClients) -> None:
        for name, source in (*LEFT_OUT.items(), ("good", one("fine", "gauge", "x", 1))):
            clients.provide(Metrics, lambda source=source: source, name=name)  # type: ignore[misc]

    runtime = await runtimes(Offers("both", offer))
    async with http_client(runtime.app) as client:
        lines = (await client.get("/metrics")).text.splitlines()
    assert "fine 1" in lines
    assert "dskity_broker_connected 1" in lines
    assert not any(line.startswith(("x", "forged", "5")) for line in lines)
    assert [name for name in LEFT_OUT if f"metrics {name}" not in caplog.text] == []


@pytest.mark.parametrize(
    ("value", "written"),
    [(True, "1"), (Level.LOW, "1"), (Odd(2), "2.0"), (2**70, "1.1805916207174113e+21")],
)
def test_a_number_is_written_as_a_scraper_reads_it(value: float, written: str) -> None:
    """`True` would have it refuse the whole page."""
    read = read_provided({"m": one("x", "gauge", "x", value)}, Pace(VirtualClock()))
    assert render(read).splitlines()[-1] == f"x {written}"


def test_metrics_without_an_end_are_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    def endless() -> Iterator[Metric]:
        return (Metric(f"x{n}", "gauge", "x", n) for n in itertools.count())

    found = list(read_provided({"endless": endless}, Pace(VirtualClock())))
    assert len(found) == MOST_METRICS
    assert f"metrics endless: only the first {MOST_METRICS} metrics are read" in caplog.text


def test_a_source_that_holds_the_event_loop_is_named(caplog: pytest.LogCaptureFixture) -> None:
    def slow() -> Iterable[Metric]:
        time.sleep(HELD_SECONDS + 0.01)
        return []

    with caplog.at_level(logging.WARNING):
        assert not list(read_provided({"slow": slow}, Pace(VirtualClock())))
    assert "metrics slow held the event loop for" in caplog.text
