"""Discovery over the bus: `{root}/services/ping`, `info` and `stats`, for all or for one service.

Every instance of every runtime answers for itself, so a requester collects replies for as long as
it likes (`bus.request` takes the first). Replies are JSON: `type`, `service`, `instance`,
`version` and `metadata`; `info` adds what the registry and the bus know of it, `stats` its counts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from dskity.bus.bus import Bus
from dskity.bus.delivery import Delivery
from dskity.bus.errors import DSkityError
from dskity.bus.topics import unquote
from dskity.handlers.route import HandlerRoute
from dskity.modules.clients.tasks import Tasks
from dskity.modules.contract import Instance
from dskity.modules.registry.service import ServiceRegistry

VERBS = ("ping", "info", "stats")
_LIMIT = 100
"""Requests that wait; more are not answered, which their time-outs tell."""

log = logging.getLogger(__name__)


class Discovery:
    """Answers on one bus for the instances that this runtime has announced.

    Not a handler: a handler's return is always an answer, and who has no instance of the service
    must be silent.
    """

    def __init__(self, registry: ServiceRegistry, bus: Bus) -> None:
        self._registry = registry
        self._bus = bus
        self._asked: asyncio.Queue[tuple[Delivery, str, str | None]] = asyncio.Queue(_LIMIT)
        self._tasks = Tasks(log)

    async def start(self) -> None:
        """Begin to answer."""
        self._tasks.keep_running(self._answer_for_ever, "registry: discovery", self._bus.clock)
        base = f"{self._bus.root}/services/{{verb}}"
        for filter in (base, f"{base}/{{service}}"):
            await self._bus.attach(filter, self._accept, lane="control")

    async def stop(self) -> None:
        """End; what is subscribed ends with the module's bus."""
        await self._tasks.close()

    def _accept(self, delivery: Delivery, captures: Mapping[str, str]) -> None:
        service = captures.get("service")
        if captures["verb"] in VERBS and not self._asked.full():
            wanted = None if service is None else unquote(service)
            self._asked.put_nowait((delivery, captures["verb"], wanted))
        delivery.done()

    async def _answer_for_ever(self) -> None:
        while True:
            request, verb, service = await self._asked.get()
            for instance in self._registry.own:
                if service in {None, instance.service}:
                    await self._answer(request, self._body(verb, instance))

    async def _answer(self, request: Delivery, body: dict[str, Any]) -> None:
        try:
            await self._bus.reply(request, body)
        except DSkityError as error:  # the requester's time-out tells it
            log.info("no answer on %s: %s", request.topic, error)

    def _body(self, verb: str, instance: Instance) -> dict[str, Any]:
        body: dict[str, Any] = {
            "type": f"dev.dskity.services.{verb}.v1",
            "service": instance.service,
            "instance": instance.instance,
            "version": str(instance.metadata.get("version", "")),
            "metadata": instance.metadata,
        }
        routes = self._routes(instance.service)
        if verb == "info":
            body |= {
                "url": instance.url,
                "kind": instance.kind,
                "runtime": self._bus.client_id,
                "registered_at": instance.registered_at,
                "endpoints": [
                    {"filter": filter, "handler": route.name} for filter, route in routes
                ],
            }
        elif verb == "stats":
            body |= {
                "uptime_seconds": self._bus.clock.time() - instance.registered_at,
                "endpoints": [
                    {"filter": filter, "handler": route.name, **asdict(route.stats)}
                    for filter, route in routes
                ],
            }
        return body

    def _routes(self, service: str) -> list[tuple[str, HandlerRoute]]:
        """The filters and handlers of the module that a service is: it is the names' first part."""
        return [
            (entry.filter, route)
            for entry in self._bus.subscriptions
            if isinstance(route := entry.consumer, HandlerRoute)
            and route.name.startswith(f"{service}.")
        ]
