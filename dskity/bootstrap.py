"""The composition root: real parts by default, other ones by keyword, no container.

`start` reads top to bottom as the runtime starts: broker and bus (`core.py`), services and modules
(`assembly.py`), doors. What each step began is ended in reverse order.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from dskity.broker.engines.engine import ExternalBroker
from dskity.bus.base import tasks
from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.base.threads import blocking
from dskity.bus.middleware import Middleware, checked_middleware
from dskity.bus.transport import Transport
from dskity.client import open_bus
from dskity.composition.assembly import (
    announce_modules,
    build_clients,
)
from dskity.composition.auth import Guarding, guarding
from dskity.composition.built_ins import Given, built_in_modules
from dskity.composition.core import Core, start_core
from dskity.composition.discovering import discovered
from dskity.composition.provided import runtime_providers
from dskity.composition.readiness import Readiness
from dskity.composition.runtime import Runtime
from dskity.composition.stopping import Stopping, cut_off
from dskity.config import DSkitySettings, load_settings
from dskity.config.sections.connections import DEFAULT
from dskity.config.sections.doors import CorsSettings, ServerTlsSettings
from dskity.modules.access.security import Guard
from dskity.modules.access.server_tls import ServerTls
from dskity.modules.clients.events_client import BusEvents
from dskity.modules.clients.tasks import Tasks
from dskity.modules.contract import TransportClients
from dskity.modules.grpc.client import GrpcClients
from dskity.modules.http.app import Cors, HttpLimits, create_app, furnish
from dskity.modules.http.guard import OPEN_PATHS, OpenPath
from dskity.modules.http.server import HttpServer
from dskity.modules.http.wire.connections import Bounds, TimeOuts
from dskity.modules.lifecycle.discovered import built_in
from dskity.modules.lifecycle.lifecycle import HookTimeouts
from dskity.modules.lifecycle.supervisor import Supervisor
from dskity.notices.banner import banner
from dskity.notices.old_values import old_values
from dskity.notices.unknown_keys import unknown_keys
from dskity.notices.unknown_modules import unknown_modules
from dskity.process import gc_tuning
from dskity.process.disk import StateDisk
from dskity.process.ending import run_to_the_end
from dskity.process.logs import configure
from dskity.process.running import Running, published
from dskity.process.standstill import Standstill
from dskity.process.state_dir import StateDir
from dskity.version import VERSION

if TYPE_CHECKING:
    from dskity.modules.grpc.server import GrpcServer

__all__ = ["bootstrap", "make_app", "open_bus", "run", "serve", "start"]

_logger = logging.getLogger("dskity")


async def start(
    settings: DSkitySettings | None = None,
    *,
    modules: Iterable[Any] = (),
    transport: Transport | None = None,
    transports: Mapping[str, Transport] | None = None,
    app: FastAPI | None = None,
    clock: Clock = SYSTEM_CLOCK,
    middleware: Iterable[Middleware] = (),
) -> Runtime:
    """Start a runtime; `await runtime.close()`, or `async with`, ends it.

    `modules` are instances that start after ours and before those of the search paths.
    `transport` takes the place of the MQTT connection; no broker is started then. `transports` do
    so for the connections of `mqtt`, by name. An `app` is served by whoever made it (with
    `make_app`); without one, ours is served on `host` and `port`. All that keeps time in the
    runtime lives by `clock`, but for what it waits for outside: brokers, servers, its own end.
    `middleware` runs round every handler, those of our own modules too, on all connections.
    """
    settings = settings or load_settings()
    middleware = checked_middleware([*middleware], "start(middleware=…)")
    health = tasks.observe()
    async with AsyncExitStack() as stack:
        state = stack.enter_context(StateDir(settings.state_dir))
        doors = _doors(settings, app, clock)
        await _open_audit(doors.guard, stack)
        client_id = settings.common.mqtt.client_id or state.client_id()
        given = {DEFAULT: transport} if transport is not None else {}
        core = await start_core(settings, client_id, stack, {**(transports or {}), **given}, clock)
        events, grpc = BusEvents(core.bus, Tasks(_logger)), GrpcClients()
        stack.push_async_callback(grpc.close)
        providers = runtime_providers(settings, core.bus.threads)
        stack.push_async_callback(providers.registry.close)
        for connection in core.connections.values():
            connection.bus.use(*middleware)
            connection.dispatcher.inject(providers.registry)
        served = app or make_app(settings, doors.guard)
        clients = build_clients(core.bus, served, events, grpc, providers)
        checks = providers.registry.checks
        disk = StateDisk(settings.state_dir, clock).check
        readiness = Readiness(core.bus, core.engine, core.others, health, checks, disk)
        parts = Given(
            settings,
            core.bus,
            lambda: _enabled(supervisor),
            readiness,
            health,
            doors.guard.access.counters,
        )
        supervisor = _supervisor(core, parts, clients, events, modules)
        readiness.supervise(supervisor)
        runtime = Runtime(settings, core, clients, supervisor, served)
        stack.push_async_callback(supervisor.stop)
        stack.callback(core.leave)
        await supervisor.start()
        core.open()
        for connection in core.connections.values():
            await connection.dispatcher.tell_of_strays()
        if app is None and settings.http.enabled:
            runtime.http = await _serve_http(settings, served, stack)
        if settings.grpc.enabled:
            runtime.grpc = await _serve_grpc(settings, grpc, doors.guard, readiness, stack, clock)
        if settings.common.registry.enabled:
            announce_modules(runtime)
        await stack.enter_async_context(published(settings.state_dir, _running(runtime)))
        stack.callback(core.presence.tell, "draining")
        stack.callback(readiness.drain)
        core.presence.tell("ready")
        for line in banner(runtime, VERSION, doors.made, loopback_open=doors.guard.loopback_open):
            _logger.info(line)
        for line in unknown_modules(settings, supervisor.states()):
            _logger.warning(line)
        runtime.closing = stack.pop_all()
        return runtime


def _running(runtime: Runtime) -> Running:
    """Its addresses, with the ports it got; another server of the app has others."""
    settings, engine, http = runtime.settings, runtime.core.engine, runtime.http
    scheme = "https" if settings.http.tls.cert_file else "http"
    return Running(
        os.getpid(),
        None if isinstance(engine, ExternalBroker) else engine.url,
        None if http is None else f"{scheme}://{http.host}:{http.port}",
        None if runtime.grpc is None else f"{settings.grpc.host}:{runtime.grpc.port}",
    )


def _doors(settings: DSkitySettings, app: FastAPI | None, clock: Clock) -> Guarding:
    """The guard: of an app that is served elsewhere, the one that it has."""
    has = None if app is None else getattr(app.state, "guard", None)
    if has is not None:
        return Guarding(has, None)
    return guarding(settings.security, settings.state_dir, settings.bus.root, clock)


async def _open_audit(guard: Guard, stack: AsyncExitStack) -> None:
    if guard.access.audit is not None:
        await blocking(guard.access.audit.open)
        stack.push_async_callback(blocking, guard.access.audit.close)


def make_app(settings: DSkitySettings, guard: Guard) -> FastAPI:
    """The guarded app, without routes yet."""
    return create_app(
        settings.name,
        guard,
        _limits(settings),
        VERSION,
        _open_paths(settings),
        _cors(settings.http.cors),
    )


def _limits(settings: DSkitySettings) -> HttpLimits:
    http = settings.http
    return HttpLimits(http.max_body_bytes, http.max_bodies_bytes, http.max_streams)


def _open_paths(settings: DSkitySettings) -> tuple[OpenPath, ...]:
    return (*OPEN_PATHS, OpenPath("/metrics")) if settings.metrics.public else OPEN_PATHS


def _cors(cors: CorsSettings) -> Cors | None:
    if not cors.allow_origins:
        return None
    return Cors(cors.allow_origins, cors.allow_methods, cors.allow_headers, cors.allow_credentials)


def _supervisor(
    core: Core,
    given: Given,
    clients: TransportClients,
    events: BusEvents,
    modules: Iterable[Any],
) -> Supervisor:
    settings = given.settings
    found = discovered(settings)
    for line in (*old_values(settings), *unknown_keys(settings, found)):
        _logger.warning(line)
    others = [*modules]
    names = {entry.name for entry in [*found, *map(built_in, others)]}
    supervisor = Supervisor(
        clients,
        settings,
        found,
        events=events,
        builtins=[*built_in_modules(replace(given, found=names)), *others],
        strict=settings.strict,
        limits=HookTimeouts(drain=settings.shutdown_grace_seconds),
    )
    for each in core.connections.values():
        supervisor.watch(each.bus)
    return supervisor


def _enabled(supervisor: Supervisor) -> list[str]:
    return [name for name, status in supervisor.states().items() if status.state != "disabled"]


async def _serve_http(settings: DSkitySettings, app: FastAPI, stack: AsyncExitStack) -> HttpServer:
    http = settings.http
    server = HttpServer(
        app,
        settings.host,
        settings.port,
        bounds=Bounds(
            http.max_connections, http.max_connections_per_address, http.reserved_connections
        ),
        time_outs=TimeOuts(
            http.head_timeout_seconds, http.body_timeout_seconds, http.idle_timeout_seconds
        ),
        head_bytes=http.max_header_bytes,
        tls=_tls(http.tls),
    )
    await server.start()
    stack.push_async_callback(server.stop, settings.shutdown_grace_seconds)
    return server


def _tls(tls: ServerTlsSettings) -> ServerTls | None:
    if tls.cert_file is None or tls.key_file is None:
        return None
    return ServerTls(tls.cert_file, tls.key_file, tls.client_ca_file)


async def _serve_grpc(
    settings: DSkitySettings,
    clients: GrpcClients,
    guard: Guard,
    readiness: Readiness,
    stack: AsyncExitStack,
    clock: Clock,
) -> GrpcServer:
    # Imported where the door is open: grpc and protobuf take 12 MiB.
    from dskity.modules.grpc.server import GrpcBounds, GrpcServer  # noqa: PLC0415  # see above

    grpc = settings.grpc
    server = GrpcServer(
        clients,
        guard,
        readiness.all,
        host=grpc.host,
        port=grpc.port,
        max_message_bytes=grpc.max_message_bytes,
        bounds=GrpcBounds(
            grpc.max_streams,
            grpc.max_connections,
            grpc.max_calls,
            grpc.handshake_timeout_seconds,
            grpc.idle_timeout_seconds,
        ),
        tls=_tls(grpc.tls),
        clock=clock,
    )
    await server.start()
    stack.push_async_callback(server.stop, settings.shutdown_grace_seconds)
    return server


async def serve(settings: DSkitySettings | None = None, **options: Any) -> None:
    """Run until SIGTERM or SIGINT, then drain. `options` are those of `start`.

    A second SIGINT ends the process at once, with status 130.
    """
    await _serve(settings or load_settings(), options, alone=False)


async def _serve(settings: DSkitySettings, options: Mapping[str, Any], *, alone: bool) -> None:
    grace = settings.shutdown_grace_seconds
    with Stopping(alone=alone) as stopping:
        watch = Standstill(grace, lambda: stopping.since, lambda: cut_off(stopping.runtime))
        with watch.watched():
            stopping.runtime = await stopping.unless_told(start(settings, **options))
            if stopping.runtime is None:
                _logger.info("stopped before the start was complete")
                return
            async with stopping.runtime:
                gc_tuning.settle()
                await stopping.wait()
                _logger.info("stopping: draining; Ctrl-C (again) stops at once")


def run(settings: DSkitySettings) -> int:
    """`dskity run`: serve until told to stop, and exit with 0."""
    configure(settings.logging.level, settings.logging.format)
    run_to_the_end(_serve(settings, {}, alone=True))
    return 0


def bootstrap(
    app: FastAPI | None = None,
    settings: DSkitySettings | None = None,
    middleware: Iterable[Middleware] = (),
) -> FastAPI:
    """An ASGI application with a runtime inside, for any ASGI server; see `app` below.

    `app` may be an application of your own: modules add their routes to it. `middleware` is that
    of `start`.
    """
    settings = settings or load_settings()
    round_handlers = checked_middleware([*middleware], "bootstrap(middleware=…)")
    guard = guarding(settings.security, settings.state_dir, settings.bus.root).guard
    if app is None:
        served = make_app(settings, guard)
    else:
        served = furnish(
            app, guard, _limits(settings), _open_paths(settings), _cors(settings.http.cors)
        )
    inner = served.router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncIterator[Any]:
        runtime = start(settings, app=served, middleware=round_handlers)
        async with await runtime, inner(application) as state:
            yield state

    served.router.lifespan_context = lifespan
    return served


def __getattr__(name: str) -> Any:
    """`dskity.bootstrap:app`, made when it is first asked for."""
    if name == "app":
        globals()["app"] = bootstrap()
        return globals()["app"]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
