"""A payload that is a lifecycle event: which types a handler takes, and its event of a message."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeAlias

from dskity.bus.delivery import Delivery
from dskity.bus.errors import InvalidHandler, InvalidPayload
from dskity.bus.events import Event, event_types, read_event

Kinds: TypeAlias = Mapping[str, type[Event]]
"""The types of events that may come, by CloudEvents type."""
_ANYTHING = {inspect.Parameter.empty, Any}


def event_kinds(event: type[Event] | None, annotation: Any, parameter: str) -> Kinds:
    """What a parameter of this annotation takes; empty where it is no event.

    Where the route is for one type of `event`, the annotation has to take it: its class, a base of
    it, a union with one of these, or nothing; else `InvalidHandler`.
    """
    wanted = [kind for part in _parts(annotation) for kind in _events_of(part)]
    if event is None:
        return {kind.type: kind for kind in wanted}
    if annotation not in _ANYTHING and event not in wanted:
        known = ", ".join(field.name for field in fields(event))
        found = getattr(annotation, "__name__", annotation)
        raise InvalidHandler(
            f"{parameter} is annotated {found}, and its route is for {event.__name__}: annotate it "
            f"with {event.__name__}, which has {known}"
        )
    return {event.type: event}


def event_getter(
    kinds: Kinds, *, on_its_topic: bool
) -> Callable[[Delivery, Mapping[str, str]], Event]:
    """The getter of the binding; it raises `InvalidPayload`.

    With `on_its_topic` also where the topic is not that of the event: brokers grant rights by
    topics, so a client that may publish events of one key could else forge those of all others, and
    captures would not be of the event.
    """

    def get(delivery: Delivery, _: Mapping[str, str]) -> Event:
        topic = delivery.topic
        try:
            event = read_event(delivery.payload, kinds)
        except InvalidPayload as error:
            raise InvalidPayload(f"{topic}: {error}") from error
        if on_its_topic and not topic.endswith(event.topic_under("")):
            raise InvalidPayload(f"{topic}: its event belongs on …{event.topic_under('')}")
        return event

    return get


def _parts(annotation: Any) -> tuple[Any, ...]:
    is_union = typing.get_origin(annotation) in {typing.Union, types.UnionType}
    return typing.get_args(annotation) if is_union else (annotation,)


def _events_of(part: Any) -> tuple[type[Event], ...]:
    is_event = isinstance(part, type) and issubclass(part, Event)
    return tuple(event_types(part)) if is_event else ()
