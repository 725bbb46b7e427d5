"""The call under way: who makes it, and its request id."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from dskity.bus.errors import Unauthenticated
from dskity.modules.access.loopback import belongs_to_us, is_forwarding_header
from dskity.modules.access.peer_owner import Address
from dskity.modules.access.security import Guard
from dskity.modules.rights import Principal

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


def principal(guard: Guard, metadata: Metadata, peer: str, port: int) -> Principal:
    """Who calls the server at `port`, or `Unauthenticated`.

    No web page can make a plain gRPC call, so there is no `Host` to check; one that comes through a
    proxy shows itself by its `origin`, by what forwarded it, or by whose socket the peer is. grpc
    tells nothing that lasts as long as a connection, so this is asked for each call without a token
    anew; nor does it tell which of our addresses was called: the peer's own, as a rule.
    """
    address = peer_address(peer)
    return guard.authorize(
        _bearer(metadata.get("authorization")),
        address and address[0],
        "localhost",
        any(map(is_forwarding_header, metadata)),
        metadata.get("origin"),
        lambda: address is not None and belongs_to_us(address, (address[0], port)),
    )


def peer_address(peer: str) -> Address | None:
    """The address of a gRPC peer: `ipv4:127.0.0.1:4711`, `ipv6:%5B::1%5D:4711`; None for others."""
    family, _, address = peer.partition(":")
    if family not in {"ipv4", "ipv6"}:
        return None
    host, _, port = address.rpartition(":")
    return host.replace("%5B", "").replace("%5D", "").strip("[]"), int(port)


def _bearer(authorization: str | None) -> str | None:
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated("send the metadata `authorization: Bearer …` with a token")
    return token.strip()
