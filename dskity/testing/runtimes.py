"""Whole runtimes in memory, and a client for their HTTP app."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Any

import httpx

from dskity.bootstrap import start
from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.middleware import Middleware
from dskity.composition.presence import state_message
from dskity.composition.runtime import Runtime
from dskity.config import DSkitySettings
from dskity.modules.http.guard import in_process
from dskity.testing.broker import ScriptedBroker


class Runtimes:
    """`await runtimes(MyModule())` is a running runtime; `close` ends those that still run."""

    def __init__(self, settings: DSkitySettings, broker: ScriptedBroker) -> None:
        self._settings = settings
        self._broker = broker
        self._stack = AsyncExitStack()

    async def __call__(
        self,
        *modules: Any,
        name: str = "runtime",
        settings: DSkitySettings | None = None,
        clock: Clock = SYSTEM_CLOCK,
        middleware: Iterable[Middleware] = (),
    ) -> Runtime:
        """Start one with these modules beside the built-in ones.

        `name` is its client id and its folder in `state_dir`: another name is another runtime on
        the same broker, the same name again, after `close`, the next process of the same one. With
        a virtual `clock` expiries, heartbeats and time-outs wait until the test moves it.
        `middleware` runs round every handler.
        """
        settings = settings or self._settings
        own = settings.model_copy(update={"state_dir": settings.state_dir / name})
        will = state_message(settings.bus.root, name, "lost", 0)
        transport = self._broker.transport(name, will)
        runtime = await start(
            own, modules=modules, transport=transport, clock=clock, middleware=middleware
        )
        self._stack.push_async_callback(runtime.close)
        return runtime

    async def close(self) -> None:
        """End them, the last one first."""
        await self._stack.aclose()


def http_client(app: Any) -> httpx.AsyncClient:
    """A client of an ASGI app, without a socket; the API sees a call from this machine."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(in_process(app), client=("127.0.0.1", 0)),
        base_url="http://127.0.0.1",
    )
