"""`@on` and `@on_event`: mark a function or method as the handler of a filter, or of an event of
the runtime; and find what was marked."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from dskity.bus import topics
from dskity.bus.consumer import AnyHandler
from dskity.bus.errors import DSkityError, InvalidHandler
from dskity.bus.events import EVENTS, Event
from dskity.handlers.policy import RoutePolicy

F = TypeVar("F", bound=Callable[..., Any])
_MARK = "__dskity_on__"


@dataclass(frozen=True, slots=True)
class Declaration:
    """One `@on`: the filter pattern, the options, the (bound) handler, and the connection."""

    filter: str
    policy: dict[str, Any]
    handler: AnyHandler
    connection: str | None = None


def on(filter: str, *, connection: str | None = None, **policy: Any) -> Callable[[F], F]:
    """Mark a method as a handler; `policy` has the fields of `RoutePolicy`.

    A first level `{root}` is `bus.root`. `connection` is a name under `mqtt` in the settings, None
    for the broker of `common.mqtt`. The filter and the options are checked here; the signature and
    the connection are checked when the module is registered. Several `@on` on one function make
    several routes.

        @on("devices/{device}/telemetry", retry=RetryPolicy(attempts=5), order_by="device")
        async def telemetry(self, reading: Reading, device: str) -> None: ...
    """
    topics.parse(filter, topics.ROOT)  # some root: the bus's own is not known yet
    RoutePolicy.of(policy)

    def mark(function: F) -> F:
        marks: tuple[Declaration, ...] = getattr(function, _MARK, ())
        setattr(function, _MARK, (Declaration(filter, policy, function, connection), *marks))
        return function

    return mark


def on_event(
    event: type[Event], *, connection: str | None = None, **words: Any
) -> Callable[[F], F]:
    """Mark a handler of one type of lifecycle event; the payload is an object of that type.

    Options with the name of a field of the topic select events: their text is quoted as in the
    topic, and a level `{name}` is a capture, which the handler receives unquoted. All other options
    are those of `on`. An event whose type, id or topic does not match its data is invalid.

        @on_event(KvExpired, key="sessions/{id}")
        async def gone(self, event: KvExpired, id: str) -> None: ...
    """
    if event not in EVENTS:
        raise InvalidHandler(
            f"on_event({getattr(event, '__name__', event)}): write one of "
            f"{', '.join(known.__name__ for known in EVENTS)}"
        )
    named = event.topic_fields()
    narrow = {name: text for name, text in words.items() if name in named}
    policy = {name: value for name, value in words.items() if name not in named}
    try:
        return on(event.pattern(narrow), connection=connection, event=event, **policy)
    except DSkityError as error:
        raise InvalidHandler(
            f"on_event({event.__name__}): {error}; its events have {', '.join(named)}, besides the "
            "options of @on"
        ) from error


def is_marked(function: object) -> bool:
    """Whether `@on` or `@on_event` has marked it."""
    return hasattr(function, _MARK)


def declared(owner: object) -> list[Declaration]:
    """What `@on` marked in `owner` (an instance or a Python module), in the order of definition."""
    found: list[Declaration] = []
    for name in _names(owner):
        function = inspect.getattr_static(owner, name, None)
        marks = getattr(getattr(function, "__func__", function), _MARK, ())
        found += [replace(mark, handler=getattr(owner, name)) for mark in marks]
    return found


def _names(owner: object) -> list[str]:
    """Attribute names, base classes first, each in the order it was defined in."""
    if inspect.ismodule(owner):
        return list(vars(owner))
    names: dict[str, None] = {}
    for cls in reversed(type(owner).__mro__):
        names |= dict.fromkeys(vars(cls))
    return list(names)
