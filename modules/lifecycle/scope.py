"""All that one module has added, so that it can be suspended or taken away again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Protocol, Self, runtime_checkable

from dskity.bus.base.tasks import spawn
from dskity.bus.errors import DSkityError
from dskity.bus.routing.subscriptions import Subscription
from dskity.modules.clients.events_client import BusEvents
from dskity.modules.clients.mqtt_client import BusMqttClient
from dskity.modules.clients.tasks import Tasks
from dskity.modules.contract import GrpcClient, TransportClients
from dskity.modules.lifecycle.shadowed import shadowed

_logger = logging.getLogger(__name__)


@runtime_checkable
class _Scoped(GrpcClient, Protocol):
    """`clients.grpc`, where there is one of which a module's own can be made."""

    def scope(self) -> Self:
        """One for a module."""
        ...

    def withdraw(self) -> None:
        """Take away what was added through it."""
        ...


class Scope:
    """A module's own clients, and what it did with them.

    `drain_timeout` is how long, in seconds, its handlers have to finish when they are ended. What
    it added to the HTTP app beside routes stays.
    """

    def __init__(
        self, name: str, clients: TransportClients, events: BusEvents, drain_timeout: float
    ) -> None:
        own = clients.for_module(name)
        self.tasks = Tasks(own.logger, held=True)
        self._events = events.scope(own.bus, self.tasks)
        self._grpc = own.grpc.scope() if isinstance(own.grpc, _Scoped) else None
        self.clients = replace(
            own,
            mqtt=BusMqttClient(own.bus, self.tasks),
            events=self._events,
            grpc=self._grpc or own.grpc,
        )
        self._name = name
        self._drain_timeout = drain_timeout
        self._suspended: tuple[Subscription, ...] = ()
        self._routes = _Routes(own.http)

    def shadowed(self) -> Iterator[tuple[str, str]]:
        """See `shadowed.py`: of the HTTP routes that the module has added."""
        return self._routes.shadowed()

    def complete(self) -> None:
        """The module has started: what it adds from now on is its own affair."""
        self._routes.complete()
        self.tasks.go_live()

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """The module's subscriptions, suspended or live."""
        return (*self._suspended, *self._live)

    @property
    def _live(self) -> tuple[Subscription, ...]:
        return self.clients.bus.owned

    async def suspend(self, within: float | None = None) -> None:
        """End the subscriptions, and remember them; `within` is in place of the drain time-out."""
        self._events.set_active(False)
        await self._set_aside(self._live, within)

    async def resume(self) -> None:
        """Make the remembered subscriptions again; where one is refused, all stay suspended."""
        try:
            while self._suspended:
                await self._suspended[0].renew()
                self._suspended = self._suspended[1:]
        except DSkityError:
            await self.suspend()
            raise
        self._events.set_active(True)

    async def renew(self, subscriptions: Iterable[Subscription]) -> None:
        """Make those of these that are ours again; where one is refused, all are suspended."""
        wanted = set(subscriptions)
        ours = tuple(entry for entry in self._live if entry in wanted)
        if ours:
            await self._set_aside(ours)
            await self.resume()

    async def _set_aside(self, live: tuple[Subscription, ...], within: float | None = None) -> None:
        await self._cancel(live, within)
        self._suspended += live

    async def close(self) -> None:
        """Take away everything."""
        await self.tasks.close()
        self._events.clear()
        self._suspended = ()
        await self._cancel(self._live)
        self._routes.remove()
        if self._grpc is not None:
            self._grpc.withdraw()

    async def _cancel(
        self, subscriptions: Iterable[Subscription], within: float | None = None
    ) -> None:
        """All at once, so that none takes new messages while another drains."""
        timeout = self._drain_timeout if within is None else within
        tasks = [
            spawn(s.cancel(), name=f"cancel {s.filter} of {self._name}", awaited=True)
            for s in subscriptions
        ]
        if not tasks:
            return
        done, late = await asyncio.wait(tasks, timeout=timeout)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
            _logger.warning(
                "module %s: handlers of %d filters did not finish within %g s",
                self._name, len(late), timeout,
            )  # fmt: skip
        for task in done:
            if (error := task.exception()) is not None:
                _logger.warning("module %s: %s: %s", self._name, task.get_name(), error)


class _Routes:
    """The HTTP routes that were added between construction and `complete`."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._before = set(map(id, self._present))
        self._added: list[Any] | None = None

    @property
    def _present(self) -> list[Any]:
        return [] if self._app is None else self._app.router.routes

    def shadowed(self) -> Iterator[tuple[str, str]]:
        return shadowed(self._present, self._new())

    def complete(self) -> None:
        self._added = self._new()

    def remove(self) -> None:
        added = self._new() if self._added is None else self._added
        if added:
            gone = set(map(id, added))
            self._present[:] = [route for route in self._present if id(route) not in gone]
            self._app.openapi_schema = None  # it is cached, with the routes in it

    def _new(self) -> list[Any]:
        return [route for route in self._present if id(route) not in self._before]
