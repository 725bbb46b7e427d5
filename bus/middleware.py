"""Middleware round handlers: what users write, what it is given, and the check of both."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from dskity.bus.errors import InvalidHandler
from dskity.bus.message import Message


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt to handle one message.

    `route` is the name of the handler in logs, metrics and dead letters (`thermostat.Thermostat.
    telemetry`); `module` is the module that subscribed, empty where none did. `filter` has its
    captures, and the value of `bus.root` for `{root}`; `captures` are the levels of this message's
    topic. `attempt` counts from 1 to `attempts`; `timeout` is in seconds for one attempt,
    middleware included, None for no limit.
    """

    route: str
    module: str
    filter: str
    captures: Mapping[str, str]
    attempt: int = 1
    attempts: int = 1
    timeout: float | None = None


class Next(Protocol):
    """The next middleware, or the handler: `await next(call, message)`.

    It returns the value of the handler, and raises its exception, or `InvalidPayload` if the
    payload does not fit the handler. Captures are taken from `call`, all other data from `message`.
    """

    def __call__(self, call: Call, message: Message, /) -> Awaitable[Any]:
        """Runs the middleware further inside, at last the handler."""
        ...


class Middleware(Protocol):
    """`async def middleware(call, message, next)`, or an object with such a `__call__`.

    Its return value replaces that of the handler, and its exception that of the
    handler.
    """

    def __call__(self, call: Call, message: Message, next: Next, /) -> Awaitable[Any]:
        """Runs for one attempt."""
        ...


_WRITE = "write `async def {name}(call, message, next): return await next(call, message)`"


def checked_middleware(entries: object, where: str) -> tuple[Middleware, ...]:
    """`entries` as a tuple, or `InvalidHandler`: `where` they stand, and what to write."""
    if not isinstance(entries, list | tuple):
        raise InvalidHandler(f"{where} = {entries!r}: write a list, as in middleware=[timing]")
    for entry in entries:
        fault = _fault(entry)
        if fault:
            raise InvalidHandler(f"{where}: {fault}")
    return tuple(entries)


def middleware_name(entry: Middleware) -> str:
    """How logs name it."""
    inner = entry.func if isinstance(entry, functools.partial) else entry
    name: str = getattr(inner, "__qualname__", type(inner).__qualname__)
    return name.replace("<locals>.", "")


def _fault(entry: Any) -> str:
    """What is wrong with it and what to write instead; empty where nothing is."""
    if isinstance(entry, type):
        return f"{entry.__qualname__} is a class: write {entry.__qualname__}(), an instance"
    if not callable(entry):
        return f"{entry!r} cannot be called: {_WRITE.format(name='middleware')}"
    name = middleware_name(entry)
    write = _WRITE.format(name=name.rpartition(".")[2])
    forms = (entry, getattr(entry, "__call__", None))  # noqa: B004  # an object with an async one
    if any(map(inspect.isgeneratorfunction, forms)) or any(map(inspect.isasyncgenfunction, forms)):
        return f"{name} has a `yield`: {write}"
    if not any(map(inspect.iscoroutinefunction, forms)):
        return f"{name} is not an async function, and would hold the event loop: {write}"
    try:
        inspect.signature(entry).bind(None, None, None)
    except TypeError:
        return (
            f"{name}{inspect.signature(entry)} does not take (call, message, next): {write}; a "
            "method is given as `self.method`, with `clients.bus.use(self.method)` in `register`"
        )
    return ""
