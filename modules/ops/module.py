"""The module `ops`: adds the probes and the metrics to the app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from dskity.bus.base.tasks import TaskHealth
from dskity.modules.audit.counters import AccessCounters
from dskity.modules.contract import Check, Module, ModuleMeta, TransportClients
from dskity.modules.extensions import Metrics
from dskity.modules.ops import health, metrics


class OpsModule(Module):
    """`checks` are what readiness asks, by name: `mqtt`, `module:<name>`; it may grow. `health`
    has the errors of tasks and `access` what the APIs count, both for the metrics."""

    meta: ClassVar[ModuleMeta] = ModuleMeta(name="ops", version="1")

    def __init__(
        self,
        checks: Mapping[str, Check],
        health: TaskHealth | None = None,
        access: AccessCounters | None = None,
        *,
        serve_metrics: bool = True,
    ) -> None:
        self._checks = checks
        self._health = health or TaskHealth()
        self._access = access or AccessCounters()
        self._serve_metrics = serve_metrics

    def register(self, clients: TransportClients, config: Any) -> None:
        """Add the routes."""
        del config  # all that it needs came to the constructor
        clients.http.include_router(health.routes(self._checks))
        if self._serve_metrics:
            clients.http.include_router(
                metrics.routes(
                    clients.bus, self._health, self._access, lambda: clients.all(Metrics)
                )
            )
