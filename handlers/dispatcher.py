"""The dispatcher: makes a consumer of each handler, and owns the workers and their bound."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, TypeVar

from dskity.bus.bus import Bus
from dskity.bus.consumer import AnyHandler
from dskity.bus.topics import Pattern
from dskity.handlers.binding import bind
from dskity.handlers.crew import Crew
from dskity.handlers.flow import Flow
from dskity.handlers.ordering import key_of
from dskity.handlers.policy import RoutePolicy
from dskity.handlers.route import HandlerRoute

T = TypeVar("T")


class Dispatcher:
    """See `dskity.bus.consumer.Dispatcher`. One dispatcher serves one bus."""

    def __init__(
        self, *, max_in_flight: int = 1000, max_in_flight_bytes: int = 64 * 1024 * 1024
    ) -> None:
        self.flow = Flow(max_in_flight, max_in_flight_bytes)
        self.routes: list[HandlerRoute] = []
        self._crew = Crew()
        self._provided: dict[type, Any] = {}
        self._bound = False

    def provide(self, kind: type[T], value: T) -> None:
        """Give `value` to parameters of type `kind`, in handlers registered from now on."""
        self._provided[kind] = value

    def consumer(
        self, bus: Bus, pattern: Pattern, handler: AnyHandler, policy: Mapping[str, Any]
    ) -> HandlerRoute:
        """See `dskity.bus.consumer.Dispatcher`."""
        if not self._bound:
            self.flow.bind(bus.pause, bus.resume)
            self._bound = True
        words = RoutePolicy.of(policy)
        key = key_of(words.order_by, pattern)
        binding = bind(handler, pattern, bus, self._provided)
        route = HandlerRoute(bus, binding, words, key, self._crew, self.flow)
        self.routes.append(route)
        return route

    async def close(self, grace: float = 0.0) -> bool:
        """Let handlers end for `grace` seconds, then cancel them; whether all had ended.

        What is cancelled is not acknowledged: the broker delivers it again.
        """
        try:
            async with asyncio.timeout(grace):
                for route in self.routes:
                    await route.drain()
        except TimeoutError:
            return False
        else:
            return True
        finally:
            await self._crew.close()
