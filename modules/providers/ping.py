"""Asks a provided value whether it is well, for readiness."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from dskity.bus.base.tasks import is_ending, spawn
from dskity.bus.base.threads import ThreadPool
from dskity.bus.base.wording import in_words
from dskity.bus.errors import DSkityError

PING_SECONDS = 1.5
"""How long a ping may take; the probe of `/health/ready` waits 2 s for each check."""

Ping: TypeAlias = Callable[[Any], Awaitable[object] | object]
"""Called with the value: it is not well where this raises or returns False."""


class PingCheck:
    """A readiness check made of a ping: None when well, else the reason.

    A coroutine function runs on the event loop; any other function runs in a thread, for it may
    block, and a coroutine that it returns runs on the event loop. A coroutine is cancelled after
    `PING_SECONDS`. Concurrent probes share one call, so that a value that does not answer holds one
    task or thread, however often it is asked.
    """

    def __init__(self, name: str, ping: Ping, value: Any, threads: ThreadPool) -> None:
        self._name = name
        self._ping = ping
        self._value = value
        self._threads = threads
        self._call: asyncio.Task[str | None] | None = None
        self._began = 0.0
        self._in_coroutine = False

    async def __call__(self) -> str | None:
        """See `Check`."""
        call = self._call
        if call is None or call.done():
            call = self._call = spawn(self._ask(), name=f"ping {self._name}", awaited=True)
            self._began = time.monotonic()
        left = max(self._began + PING_SECONDS - time.monotonic(), 0.0)
        await asyncio.wait((call,), timeout=left)
        if call.done() and not call.cancelled():
            return call.result()
        if self._in_coroutine:
            call.cancel()
        return f"no answer within {PING_SECONDS:g} s"

    async def _ask(self) -> str | None:
        try:
            answer = await self._answer()
        except DSkityError as error:
            return str(error)
        except BaseException as error:  # whatever it raises is the value's failure
            if is_ending():
                raise
            return in_words(error)
        return "its ping returned False" if answer is False else None

    async def _answer(self) -> object:
        self._in_coroutine = False
        if _is_async(self._ping):
            answer = self._ping(self._value)
        else:
            owner = f"ping {self._name}"
            answer = await self._threads.run(self._ping, self._value, owner=owner)
        if not inspect.isawaitable(answer):
            return answer
        self._in_coroutine = True
        return await answer


def _is_async(ping: Ping) -> bool:
    return inspect.iscoroutinefunction(ping) or inspect.iscoroutinefunction(
        getattr(ping, "__call__", None)  # noqa: B004  # an object with an async __call__
    )
