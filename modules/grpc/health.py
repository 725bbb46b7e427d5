"""grpc.health.v1: every service serves while the runtime is ready."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from grpc.aio import ServicerContext
from grpc_health.v1 import health, health_pb2
from grpc_health.v1.health_pb2 import HealthCheckResponse

from dskity.bus.base.clock import Clock
from dskity.modules.contract import Check

OVERALL = ""
_EVERY = 1.0  # seconds; a watcher learns of a change this late at most, a check asks anew


class Health(health.aio.HealthServicer):
    """Answers for `services` and for the whole server, as `ready` says."""

    def __init__(self, ready: Check, services: Iterable[str], clock: Clock) -> None:
        super().__init__()
        self._ready = ready
        self._services = (OVERALL, *services)
        self._clock = clock
        self._told: int | None = None

    async def Check(  # noqa: N802  # the interface's name
        self, request: health_pb2.HealthCheckRequest, context: ServicerContext[Any, Any]
    ) -> HealthCheckResponse:
        """As it is at this moment."""
        await self.refresh()
        return await super().Check(request, context)

    async def follow(self) -> None:
        """Keep those who watch informed, until cancelled."""
        while True:
            await self._clock.sleep(_EVERY)
            await self.refresh()

    async def refresh(self) -> None:
        """Ask for readiness, and tell those who watch if it has changed."""
        fault = await self._ready()
        status = HealthCheckResponse.SERVING if fault is None else HealthCheckResponse.NOT_SERVING
        if status != self._told:
            for service in self._services:
                await self.set(service, status)
            self._told = status
