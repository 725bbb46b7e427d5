"""Calling what modules pass as handlers to `clients.mqtt` and `clients.events`."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from dskity.bus.base.threads import ThreadPool
from dskity.bus.errors import InvalidHandler

Call: TypeAlias = Callable[[Any], Awaitable[None] | None]


async def call(handler: Call, argument: Any, threads: ThreadPool) -> None:
    """Run `handler`: a coroutine function here, any other in a thread, for it may block."""
    if _is_async(handler):
        result = handler(argument)
    else:
        result = await threads.run(handler, argument, owner=f"handler {name_of(handler)}")
    if inspect.isawaitable(result):
        await result


def name_of(handler: Call) -> str:
    """How logs and dead letters name it."""
    return str(getattr(handler, "__qualname__", type(handler).__qualname__))


def check_call(handler: Call, what: str) -> None:
    """`InvalidHandler` where it cannot be called with one argument."""
    if not callable(handler):
        raise InvalidHandler(
            f"{what}: {handler!r} is not callable: pass a function of one argument"
        )
    try:
        inspect.signature(handler).bind(None)
    except TypeError as error:
        raise InvalidHandler(
            f"{what}: {name_of(handler)}{inspect.signature(handler)} is called with one argument: "
            f"{error}"
        ) from error


def _is_async(handler: Call) -> bool:
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
        getattr(handler, "__call__", None)  # noqa: B004  # an object with an async __call__
    )
