"""Telemetry in: every reading is handled or dead-lettered, and heat ends in a cooler greenhouse."""

from __future__ import annotations

from itertools import pairwise

from dskity.demo.finding import Finding, expect
from dskity.demo.sightings import Sighting
from dskity.demo.stage import Stage
from dskity.handlers.dead_letter import ERROR

READINGS = 100  # of each sensor
ZONES = ("north", "south")


async def handled(stage: Stage) -> Finding:
    """None lost, none twice, and each zone's in order."""
    count = 0
    latencies: list[float] = []
    for zone in ZONES:
        topic = f"greenhouse/{zone}/state"
        last = await stage.sightings.wait("watcher", topic, lambda s: _sequence(s) >= READINGS)
        states = [s for s in stage.sightings.heard("watcher", topic) if s.at <= last[0].at]
        letters = [s for s in _letters(stage, zone) if s.at <= last[0].at]
        numbers = [_sequence(state) for state in states]
        in_order = all(one < other for one, other in pairwise(numbers))
        expect(in_order, f"the readings of {zone} were handled out of order, or twice")
        lost = numbers[-1] - len(states) - len(letters)
        expect(lost == 0, f"{lost} of {numbers[-1]} readings of {zone} were lost")
        count += numbers[-1]
        latencies += [state.at - state.json()["at"] for state in states]
    return Finding(count, latencies, "from the sensor to the state that a device hears")


async def wrong_type(stage: Stage) -> Finding:
    """JSON that is no reading: the dead letter names the field."""
    letters = [s for s in _letters(stage, "south") if b"warm" in s.opened()[0]]
    expect(letters, "no reading of the wrong type was dead-lettered")
    errors = {letter.opened()[1].get(ERROR, "") for letter in letters}
    expect(all("celsius" in error for error in errors), f"the error does not say what: {errors}")
    return Finding(len(letters), note=errors.pop())


async def garbage(stage: Stage) -> Finding:
    """What is no JSON at all does not stop what comes after it."""
    letters = [s for s in _letters(stage, "south") if b"no JSON" in s.opened()[0]]
    expect(letters, "no garbage was dead-lettered")
    after = await stage.sightings.wait(
        "watcher", "greenhouse/south/state", lambda state: state.at > letters[-1].at
    )
    return Finding(len(letters), note=f"{len(after)} readings handled after the last one")


async def alarm(stage: Stage) -> Finding:
    """Heat raises it, the vent opens, and the alarm ends when its key expires."""
    wait = stage.sightings.wait
    alarm = "greenhouse/north/alarm"
    raised = await wait("watcher", alarm, lambda s: s.json()["state"] == "raised")
    opened = await wait("vent-1", "devices/vent-1/commands/open")
    await wait("watcher", f"{stage.root}/kv/expired/alarms/north")
    await wait("watcher", alarm, lambda s: s.json()["state"] == "cleared")
    reaction = opened[0].at - raised[0].at
    return Finding(len(raised), [reaction], "from the alarm to the vent's command")


CHECKS = (
    ("telemetry handled, none lost", handled),
    ("wrong type dead-lettered", wrong_type),
    ("garbage dead-lettered, next handled", garbage),
    ("alarm opens the vent", alarm),
)


def _sequence(state: Sighting) -> int:
    number: int = state.json()["sequence"]
    return number


def _letters(stage: Stage, zone: str) -> list[Sighting]:
    topic = f"{stage.root}/dead-letter/greenhouse/{zone}/telemetry"
    return stage.sightings.heard("watcher", topic)
