"""The clients that modules get, and the announcement of the modules that run."""

from __future__ import annotations

import logging

from fastapi import FastAPI

from dskity.bus.bus import Bus
from dskity.composition.runtime import Runtime
from dskity.modules.clients.events_client import BusEvents
from dskity.modules.clients.mqtt_client import BusMqttClient
from dskity.modules.clients.tasks import Tasks
from dskity.modules.contract import Registry, TransportClients
from dskity.modules.grpc.client import GrpcClients
from dskity.modules.providers.handle import Providers
from dskity.modules.registry.service import ServiceRegistry

_logger = logging.getLogger("dskity")


def build_clients(
    bus: Bus, app: FastAPI, events: BusEvents, grpc: GrpcClients, providers: Providers
) -> TransportClients:
    """The clients that each module gets its copy of."""
    return TransportClients(
        bus=bus,
        mqtt=BusMqttClient(bus, Tasks(_logger)),
        http=app,
        grpc=grpc,
        events=events,
        logger=_logger,
        providers=providers,
    )


def announce_modules(runtime: Runtime) -> None:
    """Every module that runs is a service; this runtime is its instance.

    An instance is one level of a topic, and a client id may have slashes.
    """
    registry = runtime.clients.find(Registry)
    if not isinstance(registry, ServiceRegistry):
        return
    instance = runtime.bus.client_id.replace("/", "%2F")
    url = runtime.settings.common.advertise_url
    if url.endswith(":0") and runtime.http is not None:
        url = f"{url[:-1]}{runtime.http.port}"
    for status in runtime.supervisor.states().values():
        if status.state == "started":
            about = {"version": status.version, "base_path": status.base_path}
            registry.announce(status.name, instance, f"{url}{status.base_path}", about)
