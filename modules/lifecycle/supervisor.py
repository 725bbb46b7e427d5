"""Starts, stops and watches over modules: one that fails never takes another down.

Every change of state is a log line, and an event on `{root}/modules/{module}/{state}`.
"""

from __future__ import annotations

import asyncio
import difflib
import logging
import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from dskity.bus.base.threads import blocking
from dskity.bus.bus import Bus
from dskity.bus.errors import Conflict, DSkityError, ModuleFailed, NotFound
from dskity.bus.events import ModuleChanged
from dskity.modules.clients.events_client import BusEvents
from dskity.modules.clients.tasks import Tasks
from dskity.modules.contract import TransportClients
from dskity.modules.lifecycle.discovered import DiscoveredModule, built_in, unique
from dskity.modules.lifecycle.failure import describe, digest, report
from dskity.modules.lifecycle.hydrate import Config, enabled
from dskity.modules.lifecycle.lifecycle import (
    SHORTEST,
    HookTimeouts,
    ModuleLifecycle,
    ModuleStatus,
    State,
)
from dskity.modules.lifecycle.order import order

_logger = logging.getLogger("dskity.modules")


class Supervisor:
    """The modules of one runtime.

    `builtins` are instances that start in front of `found`. With `strict` the first failure ends
    the start with `ModuleFailed`; what has started until then is ended by `stop()`.
    """

    def __init__(
        self,
        clients: TransportClients,
        config: Config,
        found: Iterable[DiscoveredModule],
        *,
        events: BusEvents,
        builtins: Iterable[Any] = (),
        strict: bool = False,
        limits: HookTimeouts | None = None,
    ) -> None:
        self._clients = clients
        self._config = config
        self._events = events
        self._strict = strict
        self._changing = asyncio.Lock()
        self._tasks = Tasks(_logger)
        every = unique([*map(built_in, builtins), *found])
        self._limits = limits or HookTimeouts()
        units = {entry.name: ModuleLifecycle(entry, self._limits) for entry in every}
        start_order = order({name: unit.meta.depends_on for name, unit in units.items()})
        self._units = {name: units[name] for name in start_order.names}
        self._faults = start_order.faults
        clients.providers.registry.explain = self._whose

    def states(self) -> Mapping[str, ModuleStatus]:
        """The status of every module, in start order."""
        return {name: unit.status() for name, unit in self._units.items()}

    def watch(self, bus: Bus) -> None:
        """Quarantine a module whose route this bus turns out to be unable to serve.

        While the broker is away nobody knows what it can do, so routes are looked at again when it
        is there.
        """
        bus.link.watch(partial(self._linked, bus))

    async def start(self) -> None:
        """Start all that are enabled, each after those it depends on."""
        self._events.publisher.start()
        async with self._changing:
            for unit in self._units.values():
                if not enabled(unit.name, self._config) or _left_out(unit.found):
                    unit.state = "disabled"
            for unit in self._units.values():
                if unit.state != "disabled":
                    await self._start(unit)

    async def stop(self) -> None:
        """Stop all, in reverse order: handlers drain, `on_shutdown` runs, an event tells.

        The times to drain and for `on_shutdown` are one for all, so that stuck code of many modules
        holds up the end no longer than that of one.
        """
        await self._tasks.close()
        drained = time.monotonic() + self._limits.drain
        over = drained + self._limits.shutdown
        async with self._changing:
            for unit in reversed(self._units.values()):
                if unit.loaded:
                    await unit.stop(_left_until(drained), partial(_left_until, over))
                    self._change(unit, "stopped")
        await self._events.publisher.close()

    async def quarantine(self, name: str, reason: str) -> None:
        """End a module's handlers but keep it loaded, until `resume`."""
        async with self._changing:
            unit = self._in_state(name, "started")
            await unit.suspend()
            self._change(unit, "quarantined", reason)

    async def resume(self, name: str) -> None:
        """Have a quarantined module's handlers again."""
        async with self._changing:
            unit = self._in_state(name, "quarantined")
            await unit.resume()
            self._change(unit, "started", event="resumed")

    async def disable(self, name: str) -> None:
        """Stop a module; `Conflict` while another one that runs depends on it."""
        async with self._changing:
            unit = self._in_state(name, "started", "quarantined")
            users = self._users_of(name)
            if users:
                raise Conflict(
                    f"module {name!r} is needed by {', '.join(users)}: disable them first"
                )
            await unit.stop()
            self._change(unit, "disabled", "disabled by request", event="stopped")

    async def enable(self, name: str) -> None:
        """Start a module that is disabled, or once more one that failed."""
        async with self._changing:
            unit = self._in_state(name, "disabled", "failed", "stopped")
            if _left_out(unit.found):
                raise Conflict(
                    f"module {name!r} was not imported because it was disabled: enable it, restart"
                )
            await self._start(unit)

    def _users_of(self, name: str) -> list[str]:
        """The modules that run and depend on it, by their meta or by a type that they use."""
        using = self._clients.providers.registry.users_of(name)
        return [
            unit.name
            for unit in self._units.values()
            if unit.loaded and (name in unit.meta.depends_on or unit.name in using)
        ]

    def _whose(self, kind: Any) -> str:
        """Of a type that no module provides: in which module it is defined, and that one's
        state."""
        home = f"{getattr(kind, '__module__', '')}."
        for unit in self._units.values():
            told = kind in getattr(unit.found.module, "provides", ())
            if told or home.startswith(f"{unit.home}."):
                return _why_not(unit)
        return ""

    def _linked(self, bus: Bus, connected: bool, *, resumed: bool) -> None:
        del resumed
        if connected and bus.unserved:
            self._tasks.spawn(self._reconsider(bus), "modules on a broker without groups")

    async def _reconsider(self, bus: Bus) -> None:
        async with self._changing:
            for unit in self._units.values():
                if unit.state != "started":
                    continue
                try:
                    await unit.renew(bus.unserved)
                except DSkityError as error:
                    self._change(unit, "quarantined", str(error))

    async def _start(self, unit: ModuleLifecycle) -> None:
        unit.state = "starting"
        try:
            self._check_dependencies(unit)
            await unit.start(self._clients, self._events, self._config)
        except Exception as error:  # noqa: BLE001  # its failure is its own
            await self._fail(unit, error)
        except BaseException:
            unit.state = "stopped"
            raise
        else:
            self._change(unit, "started")

    def _check_dependencies(self, unit: ModuleLifecycle) -> None:
        if unit.found.error is None and unit.name in self._faults:
            raise ModuleFailed(unit.name, self._faults[unit.name])
        for name in unit.meta.depends_on:
            state = self._units[name].state
            if state != "started":
                raise ModuleFailed(unit.name, f"its dependency {name!r} is {state}")

    async def _fail(self, unit: ModuleLifecycle, error: BaseException) -> None:
        text = await blocking(describe, error, unit.home)  # it asks the file system
        reason = text.removeprefix(f"module {unit.name!r}: ")
        self._change(unit, "failed", reason, digest(error))
        shown = await blocking(report, error, unit.home, reason)
        _logger.error(  # one text: the line breaks of an argument would be escaped
            f"module {unit.name} failed: {shown.lstrip()}\n  correct it and restart, or disable "  # noqa: G004  # one text
            f"it with modules.{unit.name}.enabled: false"
        )
        _logger.debug("module %s failed", unit.name, exc_info=error)
        if self._strict:
            raise ModuleFailed(unit.name, reason) from error

    def _change(
        self,
        unit: ModuleLifecycle,
        state: State,
        reason: str = "",
        digest: str = "",
        event: str = "",
    ) -> None:
        unit.state, unit.reason, unit.digest = state, reason, digest
        unit.changes += 1
        changed = ModuleChanged(
            unit.name,
            event or state,
            self._clients.bus.client_id,
            unit.changes,
            reason,
            digest,
        )
        self._events.publisher.put(self._clients.bus.event_message(changed))
        if state != "failed":  # which is logged with a report
            _logger.info("module %s %s%s", unit.name, changed.state, reason and f": {reason}")

    def _in_state(self, name: str, *states: State) -> ModuleLifecycle:
        unit = self._units.get(name)
        if unit is None:
            near = difflib.get_close_matches(name, self._units, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(self._units)}"
            raise NotFound(f"no module {name!r}: {hint}")
        if unit.state not in states:
            raise Conflict(f"module {name!r} is {unit.state}, not {' or '.join(states)}")
        return unit


def _why_not(unit: ModuleLifecycle) -> str:
    """Why the types of a module are not provided."""
    whose = f"It is of module {unit.name!r}, which"
    match unit.state:
        case "disabled":
            return f"{whose} is disabled: set modules.{unit.name}.enabled to true"
        case "waiting":
            return f"{whose} starts later: add depends_on=({unit.name!r},) to the meta"
        case "started" | "starting" | "quarantined":
            return f"{whose} does not provide it: call clients.provide in its `register`"
        case state:
            return f"{whose} is {state}"


def _left_out(found: DiscoveredModule) -> bool:
    """Whether discovery did not import it, as it is disabled."""
    return found.module is None and found.error is None


def _left_until(moment: float) -> float:
    return max(moment - time.monotonic(), SHORTEST)
