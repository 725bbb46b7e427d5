"""The table of built-in modules, in the order they start, and how the settings become each of them.

A new built-in service is its package and one line in `BUILT_INS`: the module's class, or, where
settings outside `modules.<name>` are for it, a function that makes it of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from dskity.bus.base.clock import Clock
from dskity.bus.base.tasks import TaskHealth
from dskity.bus.bus import Bus
from dskity.config import DSkitySettings
from dskity.config.sections.webhooks import WebhookSettings
from dskity.modules.audit.counters import AccessCounters
from dskity.modules.bridge.module import BridgeModule
from dskity.modules.commands.module import CommandsModule
from dskity.modules.commands.service import CommandService
from dskity.modules.commands.wire import Templates
from dskity.modules.contract import Check, TransportClients
from dskity.modules.dead_letters.bounds import Bounds
from dskity.modules.dead_letters.module import DeadLettersModule
from dskity.modules.http.module import HttpModule
from dskity.modules.kv.module import SHARED_STORES, STORES, KvModule, build_kv, provided_kv
from dskity.modules.ops.module import OpsModule
from dskity.modules.registry.module import RegistryModule
from dskity.modules.registry.service import ServiceRegistry
from dskity.modules.webhooks.module import WebhooksModule
from dskity.modules.webhooks.options import WebhookOptions


@dataclass(frozen=True, slots=True)
class Given:
    """What a built-in module may be made of. `enabled` tells the modules that are enabled now,
    `found` are the names of all that are not built in, `checks` what readiness asks, `health` the
    errors of tasks, `access` the refused calls."""

    settings: DSkitySettings
    bus: Bus
    enabled: Callable[[], Sequence[str]]
    checks: Mapping[str, Check]
    health: TaskHealth
    access: AccessCounters
    found: Collection[str] = ()

    @property
    def clock(self) -> Clock:
        """The runtime's."""
        return self.bus.clock


Maker: TypeAlias = Callable[[Given], Iterator[Any]]


def built_in_modules(given: Given) -> list[Any]:
    """The modules of the table, those that the settings leave out left out."""
    modules: list[Any] = []
    for entry in BUILT_INS:
        modules += [entry()] if isinstance(entry, type) else entry(given)
    return modules


def dead_letters(given: Given) -> Iterator[Any]:
    """Kept in `state_dir`, within `bus.dead_letters`."""
    limits, mqtt = given.settings.bus.dead_letters, given.settings.mqtt
    bounds = Bounds(limits.max_messages, limits.max_bytes, limits.max_age_seconds)
    yield DeadLettersModule(given.settings.state_dir, bounds, tuple(mqtt), given.clock)


def kv(given: Given) -> Iterator[Any]:
    """The store that `kv.store` names."""
    settings, bus = given.settings.kv, given.bus
    store, ttl = settings.store, settings.default_ttl_seconds
    if store not in STORES and store in given.found:
        values = settings.events.value
        make = partial(provided_kv, store, bus=bus, default_ttl_seconds=ttl, last_values=values)
        yield KvModule(make, depends_on=(store,))
        return
    yield KvModule(
        build_kv(
            store,
            bus=bus,
            default_ttl_seconds=ttl,
            last_values=settings.events.value,
            redis_url=settings.redis.url,
            redis_key_prefix=settings.redis.key_prefix,
            clock=given.clock,
        )
    )


def registry(given: Given) -> Iterator[Any]:
    """Where `common.registry.enabled` is true."""
    settings = given.settings.common.registry
    if settings.enabled:
        yield RegistryModule(
            ServiceRegistry(
                given.bus,
                ttl_seconds=settings.ttl_seconds,
                heartbeat_interval_seconds=settings.heartbeat_interval_seconds,
            )
        )


def commands(given: Given) -> Iterator[Any]:
    """With the keys of idempotency in the key-value store, where several runtimes share it."""
    settings = given.settings.commands
    templates = Templates(settings.request_topic, settings.reply_topic)
    shares = given.settings.kv.store in SHARED_STORES

    def make(clients: TransportClients) -> CommandService:
        shared = clients.kv if shares else None
        ttl = settings.default_ttl_seconds
        return CommandService(given.bus, templates, ttl=ttl, shared=shared)

    yield CommandsModule(make)


def http(given: Given) -> Iterator[Any]:
    """The routes of the HTTP API."""
    yield HttpModule(given.settings.name, given.enabled)


def grpc(given: Given) -> Iterator[Any]:
    """Imported where it is served: grpc and protobuf take 12 MiB."""
    if given.settings.grpc.enabled:
        from dskity.modules.grpc.module import GrpcModule  # noqa: PLC0415

        yield GrpcModule(given.settings.grpc.stream_buffer)


def ops(given: Given) -> Iterator[Any]:
    """The probes, and the metrics where they are served."""
    serve = given.settings.metrics.enabled
    yield OpsModule(given.checks, given.health, given.access, serve_metrics=serve)


def bridge(given: Given) -> Iterator[Any]:
    """Where there are rules."""
    if given.settings.bridge:
        yield BridgeModule([rule.rule() for rule in given.settings.bridge])


def webhooks(given: Given) -> Iterator[Any]:
    """Where there are sources."""
    settings = given.settings
    if settings.webhooks:
        sources = {name: webhook_options(source) for name, source in settings.webhooks.items()}
        yield WebhooksModule(sources, settings.state_dir, given.clock)


def webhook_options(source: WebhookSettings) -> WebhookOptions:
    """The same as what the module takes, secrets in plain text."""
    values = source.model_dump(exclude={"secret"})
    return WebhookOptions(**values, secret=tuple(s.get_secret_value() for s in source.secret))


BUILT_INS: tuple[Maker | type, ...] = (
    dead_letters,
    kv,
    registry,
    commands,
    http,
    grpc,
    ops,
    bridge,
    webhooks,
)
