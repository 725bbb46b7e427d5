"""One module's life: the steps of a start, its undoing, and the steps of a stop."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias

from dskity.bus.base.threads import blocking
from dskity.bus.bus import Bus
from dskity.bus.errors import DSkityError
from dskity.bus.routing.subscriptions import Subscription
from dskity.handlers.declare import Declaration, declared
from dskity.modules.clients.events_client import BusEvents
from dskity.modules.contract import ModuleMeta, TransportClients
from dskity.modules.lifecycle.discovered import DiscoveredModule
from dskity.modules.lifecycle.failure import misdeclared
from dskity.modules.lifecycle.hooks import Hooks
from dskity.modules.lifecycle.hydrate import Config, hydrate
from dskity.modules.lifecycle.own_middleware import own_middleware
from dskity.modules.lifecycle.scope import Scope
from dskity.modules.lifecycle.shape import meta_of
from dskity.modules.lifecycle.slips import slips

_logger = logging.getLogger(__name__)
SHORTEST = (
    0.2  # seconds for a module's handlers, its hooks or a `close`, after others took all the time
)
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
class HookTimeouts:
    """Seconds that `on_startup`, `on_shutdown`, and handlers that are being ended may take."""

    startup: float = 30.0
    shutdown: float = 10.0
    drain: float = 10.0


class ModuleLifecycle:
    """A module and what it has added. The supervisor decides what happens; this does it."""

    def __init__(self, found: DiscoveredModule, limits: HookTimeouts) -> None:
        self.found = found
        self.name = found.name
        self.meta = ModuleMeta(found.name) if found.module is None else meta_of(found.module)
        self.state: State = "waiting"
        self.reason = ""
        self.digest = ""
        self.changes = 0
        self._limits = limits
        self._scope: Scope | None = None
        self._hooks = Hooks(self.name)

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
        self._hooks = Hooks(self.name)
        try:
            await self._steps(self.found.module, scope, config)
        except BaseException:
            await scope.close()
            await self._end_provisions(scope, time.monotonic() + self._limits.shutdown)
            await scope.close()  # a `close` may have subscribed
            self._hooks.close()
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
        seconds = self._limits.startup
        await self._hooks.run("its settings", partial(hydrate, module, self.name, config), seconds)
        use = partial(_use_middleware, module, self.name, scope.clients.bus)
        await self._hooks.run("its middleware", use, seconds)
        register = partial(_call, module, "register", scope.clients, config.for_module(self.name))
        await self._hooks.run("register", register, seconds)
        await self._make_provisions(scope, seconds)
        for declaration in await self._declared(module, seconds):
            await self._subscribe(declaration, scope.clients.bus)
        await scope.tasks.settle()
        await self._hook("on_startup", scope, self._limits.startup)
        await scope.tasks.settle()

    async def _declared(self, module: Any, seconds: float) -> list[Declaration]:
        found: list[Declaration] = []
        await self._hooks.run("its handlers", lambda: found.extend(declared(module)), seconds)
        return found

    async def _make_provisions(self, scope: Scope, seconds: float) -> None:
        providers = scope.clients.providers
        providers.seal()
        for provision in providers.offered:
            await self._hooks.run(f"the factory of {provision.label}", provision.make, seconds)
            providers.registry.watch(provision)

    async def _end_provisions(self, scope: Scope, over: float) -> None:
        """Take them back and close them, until `over` (monotonic); what fails is logged."""
        for provision in scope.clients.providers.withdraw():
            if not provision.made:
                provision.give_up()
                continue
            hooks = self._hooks if self._hooks.usable else Hooks(self.name)
            left = max(round(over - time.monotonic(), 1), SHORTEST)
            try:
                await hooks.run(f"close of {provision.label}", provision.end, left)
            except Exception:  # a module's own code; the others must still be closed
                _logger.exception("module %s: close of %s failed", self.name, provision.label)
            if hooks is not self._hooks:
                hooks.close()

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

    async def stop(
        self, drain: float | None = None, hook: Callable[[], float] | None = None
    ) -> None:
        """End its handlers, run `on_shutdown`, take the rest away. A failing hook is logged.

        `drain`, and what `hook()` is when the handlers have ended, are seconds in place of the
        limits.
        """
        scope, self._scope = self._scope, None
        if scope is None:
            return
        await scope.suspend(drain)
        seconds = self._limits.shutdown if hook is None else hook()
        over = time.monotonic() + seconds
        try:
            await self._hook("on_shutdown", scope, seconds)
        except Exception:  # a module's own code; the others must still be stopped
            _logger.exception("module %s: on_shutdown failed", self.name)
        await scope.close()
        await self._end_provisions(scope, over)
        await scope.close()  # a `close` may have subscribed
        self._hooks.close()

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
        await self._hooks.run(name, partial(_call, self.found.module, name, scope.clients), seconds)


def _call(module: Any, name: str, *arguments: Any) -> Any:
    """Read the attribute and call it, in the module's task: it may be a property, which raises
    anything. None where there is none."""
    hook = getattr(module, name, None)
    return None if hook is None else hook(*arguments)


def _use_middleware(module: Any, name: str, bus: Bus) -> None:
    bus.use(*own_middleware(module, name))
