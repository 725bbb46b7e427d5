"""The call under way: who makes it, and its request id."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from dskity.bus.errors import Unauthenticated
from dskity.modules.rights import Principal
from dskity.modules.security import Guard, is_forwarding_header

Metadata = dict[str, str]


@dataclass(frozen=True, slots=True)
class Call:
    """What a servicer may ask of the call it answers."""

    principal: Principal
    request_id: str


_current: ContextVar[Call] = ContextVar("dskity_grpc_call")


def current() -> Call:
    """The call that the running servicer answers."""
    return _current.get()


def enter(call: Call) -> None:
    """Make `call` the current one; each call runs in a task, and so a context, of its own."""
    _current.set(call)


def principal(guard: Guard, metadata: Metadata, peer: str) -> Principal:
    """Who calls, or `Unauthenticated`.

    No web page can make a plain gRPC call, so there is no `Host` to check; one that comes through a
    proxy shows itself by its `origin` or by what forwarded it.
    """
    return guard.authorize(
        _bearer(metadata.get("authorization")),
        peer_host(peer),
        "localhost",
        any(map(is_forwarding_header, metadata)),
        metadata.get("origin"),
    )


def peer_host(peer: str) -> str | None:
    """The host of a gRPC peer: `ipv4:127.0.0.1:4711`, `ipv6:%5B::1%5D:4711`; None for others."""
    family, _, address = peer.partition(":")
    if family not in {"ipv4", "ipv6"}:
        return None
    host = address.rpartition(":")[0]
    return host.replace("%5B", "").replace("%5D", "").strip("[]")


def _bearer(authorization: str | None) -> str | None:
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated("send the metadata `authorization: Bearer …` with a token")
    return token.strip()
