"""What readiness asks: the connections, our broker, the tasks, and each module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from dskity.broker.engines.engine import Engine
from dskity.bus.base.tasks import TaskHealth
from dskity.bus.bus import Bus
from dskity.composition.connections import NamedConnection
from dskity.modules.contract import Check
from dskity.modules.lifecycle.supervisor import Supervisor

_WELL = {"started", "disabled"}


class Readiness(Mapping[str, Check]):
    """The checks by name: `mqtt`, `mqtt:<name>` for each further connection, `broker` where we run
    one, `tasks` for the loops of `health`, `disk` for `state_dir`, those of what modules `provided`
    (`kv`), and `module:<name>` for each module.

    `supervise` tells of the modules once there is a supervisor.
    """

    def __init__(
        self,
        bus: Bus,
        engine: Engine,
        others: Mapping[str, NamedConnection],
        health: TaskHealth,
        provided: Mapping[str, Check],
        disk: Check | None = None,
    ) -> None:
        self._own = {"runtime": self._runtime, "broker": self._broker, "tasks": self._tasks}
        if disk is not None:
            self._own["disk"] = disk
        self._buses = {"mqtt": bus, **{f"mqtt:{name}": o.bus for name, o in others.items()}}
        self._provided = provided
        self._engine = engine
        self._health = health
        self._supervisor: Supervisor | None = None
        self._draining = False

    def supervise(self, supervisor: Supervisor) -> None:
        """Ask for its modules too."""
        self._supervisor = supervisor

    def drain(self) -> None:
        """Not ready any more: the runtime is ending."""
        self._draining = True

    def __getitem__(self, name: str) -> Check:
        if name in self._buses:
            return partial(_connected, self._buses[name])
        if name in self._provided:
            return self._provided[name]
        if name in self._own:
            return self._own[name]
        module = name.removeprefix("module:")

        async def check() -> str | None:
            assert self._supervisor is not None  # noqa: S101  # its modules gave the name
            status = self._supervisor.states()[module]
            return None if status.state in _WELL else f"{status.state}: {status.reason}"

        return check

    def __iter__(self) -> Iterator[str]:
        own = dict.fromkeys(self._own)
        del own["runtime"]
        yield from ("runtime", *self._buses, *own, *self._provided)
        if self._supervisor is not None:
            yield from (f"module:{name}" for name in self._supervisor.states())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    async def all(self) -> str | None:
        """One check for all: None, or the first reason."""
        for name in self:
            reason = await self[name]()
            if reason is not None:
                return f"{name}: {reason}"
        return None

    async def _broker(self) -> str | None:
        return None if self._engine.healthy else f"{self._engine.name} is not running"

    async def _tasks(self) -> str | None:
        """Loops that failed and have not started again yet; each is tried again soon."""
        failing = (f"{name}: {reason}" for name, reason in sorted(self._health.failing.items()))
        return "; ".join(failing) or None

    async def _runtime(self) -> str | None:
        return "draining" if self._draining else None


async def _connected(bus: Bus) -> str | None:
    return None if bus.connected else bus.link.reason or "connecting"
