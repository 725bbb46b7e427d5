"""One module's life: the steps of a start, its undoing, and the steps of a stop."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from dskity.bus.bus import Bus
from dskity.bus.errors import DSkityError, ModuleFailed
from dskity.bus.subscriptions import Subscription
from dskity.bus.threads import blocking
from dskity.handlers.declare import Declaration, declared
from dskity.modules.contract import ModuleMeta, TransportClients
from dskity.modules.events_client import BusEvents
from dskity.modules.failure import misdeclared
from dskity.modules.found import Found
from dskity.modules.hydrate import Config, hydrate
from dskity.modules.scope import Scope
from dskity.modules.shape import meta_of
from dskity.modules.slips import slips

_logger = logging.getLogger(__name__)
State: TypeAlias = Literal[
    "waiting", "disabled", "starting", "started", "failed", "quarantined", "stopped"
]


@dataclass(frozen=True, slots=True)
class ModuleStatus:
    """What listings and readiness show of a module.

    `reason` and `digest` tell of a failure or quarantine; `handlers` are the filters it handles.
    """

    name: str
    state: State
    reason: str = ""
    digest: str = ""
    version: str = "0"
    base_path: str = ""
    depends_on: tuple[str, ...] = ()
    source: str = ""
    handlers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that `on_startup`, `on_shutdown`, and handlers that are being ended may take."""

    startup: float = 30.0
    shutdown: float = 10.0
    drain: float = 10.0


class Unit:
    """A module and what it has added. The supervisor decides what happens; this does it."""

    def __init__(self, found: Found, limits: Limits) -> None:
        self.found = found
        self.name = found.name
        self.meta = ModuleMeta(found.name) if found.module is None else meta_of(found.module)
        self.state: State = "waiting"
        self.reason = ""
        self.digest = ""
        self.changes = 0
        self._limits = limits
        self._scope: Scope | None = None

    @property
    def home(self) -> str:
        """The dotted name that the module's code lies under."""
        return self.found.home or type(self.found.module).__module__

    @property
    def loaded(self) -> bool:
        """Whether there is something to stop."""
        return self._scope is not None

    def status(self) -> ModuleStatus:
        """The present state as a value."""
        subscriptions = () if self._scope is None else self._scope.subscriptions
        return ModuleStatus(
            self.name,
            self.state,
            self.reason,
            self.digest,
            self.meta.version,
            self.meta.base_path,
            self.meta.depends_on,
            self.found.source,
            tuple(subscription.filter for subscription in subscriptions),
        )

    async def start(self, clients: TransportClients, events: BusEvents, config: Config) -> None:
        """All steps; where one fails, what was added is taken away and the error goes on."""
        if self.found.error is not None:
            raise self.found.error
        scope = Scope(self.name, clients, events, self._limits.drain)
        try:
            await self._steps(self.found.module, scope, config)
        except BaseException:
            await scope.close()
            raise
        await self._warn(scope)
        scope.complete()
        self._scope = scope

    async def _warn(self, scope: Scope) -> None:
        """Of what is no fault, and works otherwise than it seems to."""
        for sentence in await blocking(slips, self.found.module):
            _logger.warning("module %s: %s", self.name, sentence)
        for route, other in scope.shadowed():
            _logger.warning(
                "module %s: %s is never reached: %s takes its calls; begin the path with the "
                "module's own base_path%s",
                self.name,
                route,
                other,
                f", {self.meta.base_path}" if self.meta.base_path else "",
            )

    async def _steps(self, module: Any, scope: Scope, config: Config) -> None:
        hydrate(module, self.name, config)
        await _finish(module.register(scope.clients, config))
        for declaration in declared(module):
            await self._subscribe(declaration, scope.clients.bus)
        await scope.tasks.settle()
        await self._hook("on_startup", scope, self._limits.startup)
        await scope.tasks.settle()

    async def _subscribe(self, declaration: Declaration, bus: Bus) -> None:
        try:
            await bus.subscribe(
                declaration.filter,
                declaration.handler,
                connection=declaration.connection,
                **declaration.policy,
            )
        except DSkityError as error:
            name, handler = self.name, declaration.handler
            raise await blocking(misdeclared, name, handler, error) from error

    async def stop(self, drain: float | None = None) -> None:
        """End its handlers, run `on_shutdown`, take the rest away. A failing hook is logged.

        `drain` seconds are in place of the limit's.
        """
        scope, self._scope = self._scope, None
        if scope is None:
            return
        await scope.suspend(drain)
        try:
            await self._hook("on_shutdown", scope, self._limits.shutdown)
        except Exception:  # a module's own code; the others must still be stopped
            _logger.exception("module %s: on_shutdown failed", self.name)
        await scope.close()

    async def suspend(self) -> None:
        """End its handlers, and keep all else."""
        if self._scope is not None:
            await self._scope.suspend()

    async def resume(self) -> None:
        """Have its handlers again."""
        if self._scope is not None:
            await self._scope.resume()

    async def renew(self, subscriptions: Iterable[Subscription]) -> None:
        """Make those of these that are its own again; where one is refused, end its handlers."""
        if self._scope is not None:
            await self._scope.renew(subscriptions)

    async def _hook(self, name: str, scope: Scope, seconds: float) -> None:
        hook = getattr(self.found.module, name, None)
        if hook is None:
            return
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                await _finish(hook(scope.clients))
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise ModuleFailed(
                self.name, f"{name} did not return within {seconds:g} s: begin long work in a task"
            ) from error


async def _finish(result: Awaitable[Any] | Any) -> None:
    """`register` and the hooks may be `async` or not."""
    if inspect.isawaitable(result):
        await result
