"""The scenarios by name: a small size for the tests, and the one of `scripts/faults`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from tests.faults.outcome import Outcome, Size
from tests.faults.scenarios.backlog import backlog
from tests.faults.scenarios.besieged import silent_sockets, trailers
from tests.faults.scenarios.broker_away import broker_away
from tests.faults.scenarios.broker_killed import (
    ON_EACH_CHANGE,
    broker_killed,
    broker_killed_under_us,
)
from tests.faults.scenarios.broker_stopped import broker_stopped
from tests.faults.scenarios.clock_jumps import clock_jumps
from tests.faults.scenarios.disk import disk_full, disk_read_only
from tests.faults.scenarios.hanging import blocked_threads, hanging, hanging_stored
from tests.faults.scenarios.hostile_network import hostile_network
from tests.faults.scenarios.one_client_id import one_client_id
from tests.faults.scenarios.poison import hostile_text, panics, poison
from tests.faults.scenarios.runtime_killed import runtime_killed
from tests.faults.scenarios.starts import backlog_at_start, filter_changes

Run: TypeAlias = Callable[[Size, Path], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`run` at the size `small` takes seconds, at `full` up to some minutes."""

    name: str
    run: Run
    small: Size
    full: Size


_KILLS = Size(400, 2), Size(40_000, 20)
_NETWORK = Size(800), Size(10_000)

SUITE = (
    Scenario("runtime-killed", runtime_killed, *_KILLS),
    Scenario("runtime-killed-stored", partial(runtime_killed, ack="stored"), *_KILLS),
    Scenario("runtime-killed-dedupe", partial(runtime_killed, dedupe="n"), *_KILLS),
    Scenario(
        "broker-killed",
        lambda size, folder: broker_killed(size, folder, *ON_EACH_CHANGE),
        Size(400, 2),
        Size(20_000, 20),
    ),
    Scenario("broker-killed-as-shipped", broker_killed, Size(400, 2), Size(20_000, 20)),
    Scenario("broker-killed-under-us", broker_killed_under_us, Size(400, 2), Size(20_000, 20)),
    Scenario("broker-stopped", broker_stopped, Size(2_000, seconds=2), Size(50_000, seconds=10)),
    Scenario("network-hostile", hostile_network, *_NETWORK),
    Scenario("disk-full", disk_full, Size(10_000), Size(100_000)),
    Scenario("disk-read-only", disk_read_only, Size(300), Size(10_000)),
    Scenario("broker-away", broker_away, Size(5_000, 1), Size(100_000, 5)),
    Scenario("poison", poison, Size(3_000, 1), Size(100_000, 1)),
    Scenario("handler-panics", panics, Size(2_000, 4), Size(100_000, 20)),
    Scenario("hostile-text", hostile_text, Size(400, 4), Size(50_000, 50)),
    Scenario("handler-hangs", hanging, Size(2_000, 2), Size(9_000, 2)),
    Scenario("handler-hangs-stored", hanging_stored, Size(1_000, 2), Size(100_000, 2)),
    Scenario("threads-blocked", blocked_threads, Size(1_000, 40), Size(50_000, 40)),
    Scenario("backlog", partial(backlog, bound=8), Size(600), Size(600)),
    Scenario("backlog-200-MB", partial(backlog, bound=64), Size(2_000), Size(2_000)),
    Scenario("backlog-at-start", backlog_at_start, Size(600), Size(5_000)),
    Scenario("filter-changes", filter_changes, Size(400), Size(20_000)),
    Scenario("silent-sockets", silent_sockets, Size(400, 100), Size(20_000, 1_100)),
    Scenario("trailers", trailers, Size(400, 5), Size(20_000, 50)),
    Scenario("clock-jumps", clock_jumps, Size(2_000), Size(10_000)),
    Scenario("one-client-id", one_client_id, Size(200), Size(5_000)),
)
