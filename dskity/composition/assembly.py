"""From settings to the services and built-in modules of a runtime, in the order they start."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI

from dskity.bus.base.clock import Clock
from dskity.bus.base.tasks import TaskHealth
from dskity.bus.bus import Bus
from dskity.composition.http_client import SharedHttpClient
from dskity.composition.runtime import Runtime
from dskity.config import DSkitySettings
from dskity.config.sections.webhooks import WebhookSettings
from dskity.modules.audit.counters import AccessCounters
from dskity.modules.bridge.module import BridgeModule
from dskity.modules.clients.events_client import BusEvents
from dskity.modules.clients.mqtt_client import BusMqttClient
from dskity.modules.clients.tasks import Tasks
from dskity.modules.commands.module import CommandsModule
from dskity.modules.commands.service import CommandService
from dskity.modules.commands.wire import Templates
from dskity.modules.contract import Check, TransportClients
from dskity.modules.dead_letters.bounds import Bounds
from dskity.modules.dead_letters.module import DeadLettersModule
from dskity.modules.grpc.client import GrpcClients
from dskity.modules.http.module import HttpModule
from dskity.modules.kv.module import SHARED_STORES, KvModule, build_kv
from dskity.modules.kv.service import KeyValue
from dskity.modules.ops.module import OpsModule
from dskity.modules.registry.module import RegistryModule
from dskity.modules.registry.service import ServiceRegistry
from dskity.modules.webhooks.module import WebhooksModule
from dskity.modules.webhooks.options import WebhookOptions

_logger = logging.getLogger("dskity")


@dataclass(frozen=True, slots=True)
class Services:
    """The services behind `clients.kv`, `.registry`, `.commands`, `.events` and `.grpc`."""

    kv: KeyValue
    registry: ServiceRegistry
    commands: CommandService
    events: BusEvents
    grpc: GrpcClients


def build_services(settings: DSkitySettings, bus: Bus) -> Services:
    """Built and not yet started: their modules start them."""
    kv, registry, commands = settings.kv, settings.common.registry, settings.commands
    store = build_kv(
        kv.store,
        bus=bus,
        default_ttl_seconds=kv.default_ttl_seconds,
        redis_url=kv.redis.url,
        redis_key_prefix=kv.redis.key_prefix,
        clock=bus.clock,
    )
    return Services(
        kv=store,
        registry=ServiceRegistry(
            bus,
            ttl_seconds=registry.ttl_seconds,
            heartbeat_interval_seconds=registry.heartbeat_interval_seconds,
        ),
        commands=CommandService(
            bus,
            Templates(commands.request_topic, commands.reply_topic),
            ttl=commands.default_ttl_seconds,
            shared=store if kv.store in SHARED_STORES else None,
        ),
        events=BusEvents(bus, Tasks(_logger)),
        grpc=GrpcClients(),
    )


def build_clients(
    services: Services, bus: Bus, app: FastAPI, http_client: SharedHttpClient
) -> TransportClients:
    """The clients that each module gets its copy of."""
    return TransportClients(
        bus=bus,
        mqtt=BusMqttClient(bus, Tasks(_logger)),
        http=app,
        grpc=services.grpc,
        kv=services.kv,
        registry=services.registry,
        commands=services.commands,
        events=services.events,
        make_http_client=http_client.get,
        logger=_logger,
    )


def built_in_modules(
    settings: DSkitySettings,
    services: Services,
    enabled: Callable[[], Sequence[str]],
    checks: Mapping[str, Check],
    health: TaskHealth,
    access: AccessCounters,
    clock: Clock,
) -> list[Any]:
    """Our own modules, in the order they start."""
    modules: list[Any] = [_dead_letters(settings, clock), KvModule(services.kv)]
    if settings.common.registry.enabled:
        modules.append(RegistryModule(services.registry))
    modules += [
        CommandsModule(services.commands),
        HttpModule(settings.name, enabled),
        *_grpc(settings),
        OpsModule(checks, health, access, serve_metrics=settings.metrics.enabled),
    ]
    if settings.bridge:
        modules.append(BridgeModule([rule.rule() for rule in settings.bridge]))
    if settings.webhooks:
        sources = {name: webhook_options(source) for name, source in settings.webhooks.items()}
        modules.append(WebhooksModule(sources, settings.state_dir, clock))
    return modules


def _grpc(settings: DSkitySettings) -> Iterator[Any]:
    """Imported where the gRPC API is enabled: grpc and protobuf take 12 MiB."""
    if settings.grpc.enabled:
        from dskity.modules.grpc.module import GrpcModule  # noqa: PLC0415

        yield GrpcModule(settings.grpc.stream_buffer)


def _dead_letters(settings: DSkitySettings, clock: Clock) -> DeadLettersModule:
    limits = settings.bus.dead_letters
    bounds = Bounds(limits.max_messages, limits.max_bytes, limits.max_age_seconds)
    return DeadLettersModule(settings.state_dir, bounds, tuple(settings.mqtt), clock)


def announce_modules(runtime: Runtime, registry: ServiceRegistry) -> None:
    """Every module that runs is a service; this runtime is its instance.

    An instance is one level of a topic, and a client id may have slashes.
    """
    instance = runtime.bus.client_id.replace("/", "%2F")
    url = runtime.settings.common.advertise_url
    if url.endswith(":0") and runtime.http is not None:
        url = f"{url[:-1]}{runtime.http.port}"
    for status in runtime.supervisor.states().values():
        if status.state == "started":
            about = {"version": status.version, "base_path": status.base_path}
            registry.announce(status.name, instance, f"{url}{status.base_path}", about)


def webhook_options(source: WebhookSettings) -> WebhookOptions:
    """The same as what the module takes, secrets in plain text."""
    values = source.model_dump(exclude={"secret"})
    return WebhookOptions(**values, secret=tuple(s.get_secret_value() for s in source.secret))
