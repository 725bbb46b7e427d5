"""docs/reference/topics.md, from the event classes of `dskity.bus.events`."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, Field, fields
from typing import TYPE_CHECKING, Any

from dskity.bus.events import EVENTS, Event
from scripts.reference.markdown import code, page, table

if TYPE_CHECKING:
    from collections.abc import Iterator

INTRODUCTION = """
Every lifecycle event is a CloudEvents 1.0.2 object in structured JSON (content type
`application/cloudevents+json`), published at QoS 1 and never retained. `{root}` is the setting
`bus.root`, by default `dskity`. Characters of names and keys that have a meaning in MQTT
are percent-encoded. [Topics and events](../explanation/topics-and-events.md) has the reasons.
A handler receives the events with [`@on_event`](handlers.md#on_event).
"""


def render() -> str:
    """The whole page."""
    overview = table(
        ["topic", "type", "when"],
        ([code(_topic(event)), code(event.type), _summary(event)] for event in EVENTS),
    )
    return page("Topics of lifecycle events", INTRODUCTION, overview, *map(_section, EVENTS))


def _topic(event: type[Event]) -> str:
    return "{root}/" + event.topic


def _summary(event: type[Event]) -> str:
    return inspect.cleandoc(event.__doc__ or "").split("\n\n")[0]


def _section(event: type[Event]) -> str:
    parts = [
        f"## {event.__name__}",
        f"{code(_topic(event))} · type {code(event.type)}",
        inspect.cleandoc(event.__doc__ or ""),
        f"The id is made from the type and {', '.join(map(code, event.identity))}.",
        *_bases(event),
        table(["field of `data`", "type", "default"], map(_field, fields(event))),
    ]
    return "\n\n".join(parts)


def _bases(event: type[Event]) -> Iterator[str]:
    # What a base says of its fields holds for each event below it.
    for cls in event.__mro__[1:]:
        if cls is Event:
            return
        yield inspect.cleandoc(cls.__doc__ or "")


def _field(field: Field[Any]) -> list[str]:
    default = "required" if field.default is MISSING else code(repr(field.default))
    return [code(field.name), code(field.type), default]
