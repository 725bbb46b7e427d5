"""The lines of a start: choices made, addresses of the APIs, guarantees that do not hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dskity.bus.bus import Bus
from dskity.composition.runtime import Runtime
from dskity.config.sections.connections import DEFAULT
from dskity.notices.unknown_modules import BUILT_IN, no_modules

_LOOPBACK = (
    "calls from this machine need no token if they come from this user or root; a proxy or tunnel "
    "that runs as one of these, speaks HTTP/1.1 and adds no header cannot be distinguished: with "
    "one, set `security.loopback: closed`"
)


def banner(
    runtime: Runtime, version: str, token_file: Path | None, *, loopback_open: bool = False
) -> Iterator[str]:
    """The lines; `token_file` is that of a token that was made just now."""
    settings, engine, bus = runtime.settings, runtime.core.engine, runtime.bus
    yield f"DSkity {version}, {settings.name!r} as {bus.client_id}"
    for name, connection in runtime.core.connections.items():
        broker = engine.name if name == DEFAULT else name
        yield f"broker {broker} at {connection.where} ({_state(connection.bus)})"
    if runtime.http is not None:
        scheme = "https" if settings.http.tls.cert_file else "http"
        yield f"HTTP on {scheme}://{runtime.http.host}:{runtime.http.port}"
    if runtime.grpc is not None:
        yield f"gRPC on {settings.grpc.host}:{runtime.grpc.port}"
    if token_file is not None:
        yield f"a token was created in {token_file}; calls from other machines need it"
    if loopback_open and (runtime.http is not None or runtime.grpc is not None):
        yield f"note: {_LOOPBACK}"
    yield from _modules(runtime)
    for sentence in engine.cannot:
        yield f"note: {sentence}"


def _modules(runtime: Runtime) -> Iterator[str]:
    states = runtime.supervisor.states().values()
    started = [status.name for status in states if status.state == "started"]
    yield f"modules started: {', '.join(started)}"
    if {status.name for status in states} <= set(BUILT_IN):
        yield no_modules(runtime.settings)
    failed = [status.name for status in states if status.state == "failed"]
    if failed:
        yield f"modules failed, for the reasons above: {', '.join(failed)}"
    for status in states:
        if status.state == "quarantined":
            yield f"module {status.name} quarantined: {status.reason}"


def _state(bus: Bus) -> str:
    if bus.connected:
        return bus.capabilities.protocol
    return f"not connected: {bus.link.reason}" if bus.link.connections else "not connected yet"
