"""A handler's signature bound to its filter: once, at registration, with errors that teach.

Captures go to parameters of their name; `Message`, `Bus`, `Logger` and what the dispatcher was
given (`KV`, settings, …) go by type; the one parameter that is left is the payload, validated by
its annotation; a lifecycle event is read from its CloudEvents object.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import typing
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError

from dskity.bus.base.threads import ThreadPool
from dskity.bus.bus import Bus
from dskity.bus.consumer import AnyHandler
from dskity.bus.delivery import Delivery
from dskity.bus.errors import InvalidHandler, InvalidPayload
from dskity.bus.events import Event
from dskity.bus.message import Message, decode_json
from dskity.bus.topics import ROOT, Pattern, unquote
from dskity.handlers.event_payload import event_getter, event_kinds
from dskity.handlers.provided import names_of, why_not
from dskity.handlers.returning import Returned, as_it_is, checked

Captures: TypeAlias = Mapping[str, str]
Getter: TypeAlias = Callable[[Delivery, Captures], Any]
_Call: TypeAlias = Callable[..., Coroutine[Any, Any, Any]]
_EMPTY = inspect.Parameter.empty


class Start(Protocol):
    """Makes the coroutine of one attempt; the first is number 1."""

    def __call__(
        self, delivery: Delivery, captures: Captures, attempt: int = 1, /
    ) -> Coroutine[Any, Any, Any]:
        """Raises `InvalidPayload`, and whatever a user's validator raises."""
        ...


@dataclass(frozen=True, slots=True)
class Binding:
    """`call(*[get(delivery, captures) for get in getters])` is the handler's coroutine.

    A getter raises `InvalidPayload`; nothing else. `returned` makes what is sent of what the
    handler returned, see `returning.py`. `answers` is whether the handler is there to
    answer requests: True where it is declared to return something, False where `None`, and None
    where its signature does not say. `in_thread` marks a plain function: `call` then takes
    `caller=` too, the task that its thread belongs to (None: the one that awaits it).
    """

    name: str
    call: _Call
    getters: tuple[Getter, ...]
    answers: bool | None = None
    returned: Returned = as_it_is
    in_thread: bool = False

    def starter(self) -> Start:
        """The call as one function; few parameters, as nearly all have, need no list."""
        call, getters = self.call, self.getters
        match getters:
            case (get,):
                return lambda delivery, captures, _=1: call(get(delivery, captures))
            case (first, second):
                return lambda delivery, captures, _=1: call(
                    first(delivery, captures), second(delivery, captures)
                )
        return lambda delivery, captures, _=1: call(*[get(delivery, captures) for get in getters])


def bind(
    handler: AnyHandler,
    pattern: Pattern,
    bus: Bus,
    provided: Mapping[type, Any],
    event: type[Event] | None = None,
) -> Binding:
    """Bind `handler`, or raise `InvalidHandler` that says what to write.

    With `event` the payload is such a lifecycle event, and captures are unquoted.
    """
    name = handler_name(handler)
    hints = _hints(handler, name)
    getters: list[Getter] = []
    getter: Getter | None
    payload: str | None = None
    for parameter in _parameters(handler, name):
        if parameter.name == ROOT and pattern.rooted:
            raise InvalidHandler(
                f"{name}: {{root}} is the setting bus.root, not a capture: rename the parameter "
                "'root'; with a parameter `bus: Bus` use bus.root"
            )
        annotation = hints.get(parameter.name, parameter.annotation)
        if parameter.name in pattern.names:
            getter = _capture(parameter.name, annotation, name, unquoted=event is not None)
        else:
            getter = _special(annotation, bus, provided)
        if getter is None and payload is None:
            payload = parameter.name
            kinds = event_kinds(event, annotation, f"{name}: {payload!r}")
            getter = (
                event_getter(kinds, on_its_topic=event is not None)
                if kinds
                else _payload(annotation, name, provided)
            )
        if getter is None:
            if parameter.default is not _EMPTY:
                break  # it and those behind it keep their defaults
            raise InvalidHandler(
                f"{name}: {payload!r} and {parameter.name!r} are both possible payloads; name a "
                f"capture {{{parameter.name}}} in the filter {pattern.text!r}, or annotate it with "
                f"one of {names_of(provided, Message, Bus)}{why_not(provided, annotation)}"
            )
        getters.append(getter)
    answers = hints["return"] is not type(None) if "return" in hints else None
    owner = f"{bus.owner}.{name}" if bus.owner else name
    in_thread = not _is_async(handler)
    call = typing.cast("_Call", handler)
    if in_thread:
        call = _threaded(handler, bus.threads, f"handler {owner} on {pattern.text}")
    returned = checked(hints["return"], name) if answers else as_it_is
    return Binding(name, call, tuple(getters), answers, returned, in_thread)


def handler_name(handler: AnyHandler) -> str:
    """How logs, metrics and dead letters name a handler."""
    inner = handler.func if isinstance(handler, functools.partial) else handler
    name = getattr(inner, "__qualname__", type(inner).__qualname__)
    return name.replace("<locals>.", "")


def _hints(handler: AnyHandler, name: str) -> dict[str, Any]:
    target = handler.func if isinstance(handler, functools.partial) else handler
    if not (inspect.isfunction(target) or inspect.ismethod(target)):
        target = type(target).__call__
    try:
        return typing.get_type_hints(target, include_extras=True)
    except NameError as error:
        raise InvalidHandler(
            f"{name}: its annotations name {error.name!r}, which its module does not know; "
            "import it at the top of the file (not under TYPE_CHECKING)"
        ) from error


def _parameters(handler: AnyHandler, name: str) -> list[inspect.Parameter]:
    parameters = list(inspect.signature(handler).parameters.values())
    for parameter in parameters:
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            raise InvalidHandler(f"{name}: *args and **kwargs cannot be bound; name the parameters")
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is _EMPTY:
            raise InvalidHandler(
                f"{name}: {parameter.name!r} is keyword-only; drop the '*' before it"
            )
    return [p for p in parameters if p.kind is not p.KEYWORD_ONLY]


def _special(annotation: Any, bus: Bus, provided: Mapping[type, Any]) -> Getter | None:
    if annotation is Message:
        return lambda delivery, _: delivery.message()
    if annotation is Bus:
        return lambda _, __: bus
    if annotation is logging.Logger:
        logger = logging.getLogger(
            f"dskity.modules.{bus.owner}" if bus.owner else "dskity.handlers"
        )
        return lambda _, __: logger
    if isinstance(annotation, type) and annotation in provided:
        value = provided[annotation]
        return lambda _, __: value
    return None


def _capture(parameter: str, annotation: Any, name: str, *, unquoted: bool) -> Getter:
    if annotation is _EMPTY or annotation is str or annotation is Any:
        if unquoted:
            return lambda _, captures: unquote(captures[parameter])
        return lambda _, captures: captures[parameter]
    adapter = _adapter(annotation, name, {})

    def get(delivery: Delivery, captures: Mapping[str, str]) -> Any:
        text = unquote(captures[parameter]) if unquoted else captures[parameter]
        try:
            return adapter.validate_strings(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise InvalidPayload(
                f"{delivery.topic}: the level {{{parameter}}}: {first['msg']}"
            ) from error

    return get


def _payload(annotation: Any, name: str, provided: Mapping[type, Any]) -> Getter:
    if annotation is bytes:
        return lambda delivery, _: delivery.payload
    if annotation is str:
        return lambda delivery, _: delivery.message().text()
    if annotation is _EMPTY or annotation is Any:
        return lambda delivery, _: delivery.message().json()
    adapter = _adapter(annotation, name, provided)
    validate = adapter.validator.validate_json  # past a wrapper that costs 0.5 µs

    def get(delivery: Delivery, _: Mapping[str, str]) -> Any:
        try:
            return validate(delivery.payload)
        except Exception:  # noqa: BLE001  # a model's validators may raise anything
            return decode_json(delivery.topic, delivery.payload, adapter)  # raises our error

    return get


def _adapter(annotation: Any, name: str, provided: Mapping[type, Any]) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(annotation)
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        injected = f" ({names_of(provided, Message, Bus)})" if provided else ""
        raise InvalidHandler(
            f"{name}: {getattr(annotation, '__name__', annotation)!r} is neither something to "
            f"inject{injected} nor a type that pydantic can validate; annotate the payload with a "
            f"model, a dataclass, bytes, str or Any{why_not(provided, annotation)}"
        ) from error


def _threaded(handler: AnyHandler, threads: ThreadPool, owner: str) -> _Call:
    """A coroutine function that awaits a plain function in a thread."""

    async def call(*arguments: Any, caller: asyncio.Task[Any] | None = None) -> Any:
        result = await threads.run(handler, *arguments, owner=owner, caller=caller)
        return await result if inspect.isawaitable(result) else result

    return call


def _is_async(handler: AnyHandler) -> bool:
    inner = handler.func if isinstance(handler, functools.partial) else handler
    return inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(
        getattr(inner, "__call__", None)  # noqa: B004  # an object with an async __call__
    )
