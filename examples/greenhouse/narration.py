"""What the devices heard, told as a line for the person who watches."""

from __future__ import annotations

from rich.text import Text

from dskity.demo.sightings import Sighting
from dskity.handlers.dead_letter import ERROR

WATCH = [
    "greenhouse/+/state",
    "greenhouse/+/alarm",
    "hooks/#",
    "dskity/kv/expired/#",
    "dskity/commands/+/+/+",
    "dskity/dead-letter/#",
]


def narrate(seen: Sighting) -> Text | None:
    """The line, or None where there is nothing to tell."""
    told = _tell(seen)
    if told is None:
        return None
    what, text, style = told
    return Text.assemble((f"{what:>12}  ", "bold"), (text, style))


def cleared(seen: Sighting) -> bool:
    """Whether an alarm has come and gone."""
    is_alarm = seen.device == "watcher" and seen.topic.endswith("/alarm")
    return is_alarm and bool(seen.json()["state"] == "cleared")


def _tell(seen: Sighting) -> tuple[str, str, str] | None:
    if seen.event != "heard":
        return ("device", f"{seen.device} is {seen.event} {seen.payload}", "dim")
    if seen.device == "panel":
        return ("panel", f"shows: {seen.payload}", "magenta")
    return _news(seen) if seen.device == "watcher" else None


def _news(seen: Sighting) -> tuple[str, str, str] | None:
    told = None
    match seen.topic.split("/"):
        case [_, zone, "state"]:
            state = seen.json()
            text = f"{zone:5}  {state['celsius']:5.1f} °C  {state['humidity']:3.0f} %"
            told = ("telemetry", text, "")
        case [_, zone, "alarm"]:
            told = ("alarm", f"{zone} {seen.json()['state']}", "bold red")
        case [_, "kv", "expired", *key]:
            told = ("key", f"{'/'.join(key)} expired", "yellow")
        case [_, "commands", device, _, "succeeded" | "failed" | "rejected" | "timed_out" as state]:
            told = ("command", f"{device} {seen.json()['data']['command']} {state}", "green")
        case [_, "dead-letter", *topic]:
            told = ("dead letter", f"{'/'.join(topic)}: {seen.opened()[1].get(ERROR)}", "red")
        case ["hooks", source, event]:
            told = ("webhook", f"{source} {event}: {seen.opened()[0].decode()}", "cyan")
    return told
