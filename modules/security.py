"""Who may pass a door: tokens and the loopback rule. Values in, a verdict out.

A call with a known token is its holder's. A call without one passes only where the guard is
`loopback_open` and the call is plainly this machine's own: the peer is a loopback address, the host
it asked for is loopback too (a DNS name that was rebound to us is not), nothing forwarded it, and
no web page of another origin made it.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import urlsplit

from dskity.bus import topics
from dskity.bus.errors import InvalidSettings, Unauthenticated
from dskity.modules.audit.access import Access
from dskity.modules.rights import LOOPBACK, Principal

_FORWARDING = frozenset({"forwarded", "via", "x-real-ip"})


@dataclass(frozen=True, slots=True)
class Token:
    """A known token. Only its SHA-256 is kept, so that no dump or `repr` can show it."""

    principal: Principal
    digest: bytes = field(repr=False)

    @classmethod
    def of(
        cls,
        name: str,
        secret: str,
        *,
        publish: Iterable[str] = (),
        subscribe: Iterable[str] = (),
        admin: bool = False,
    ) -> Token:
        """The token `secret` of the holder `name`, who may do what is listed and nothing else;
        `InvalidTopic` where a filter is none."""
        if not secret:
            raise InvalidSettings(f"security.tokens: the token of {name!r} is empty")
        return cls(Principal(name, _filters(publish), _filters(subscribe), admin), _digest(secret))


class Guard:
    """Decides who a call comes from; both doors ask it."""

    def __init__(
        self,
        tokens: Iterable[Token] = (),
        *,
        loopback_open: bool = False,
        access: Access | None = None,
    ) -> None:
        self.access = access or Access()
        """What the doors tell of the calls that they let pass and refuse."""
        self._tokens = tuple(tokens)
        self._loopback_open = loopback_open

    def authorize(
        self,
        token: str | None,
        peer_host: str | None,
        host_header: str | None,
        has_forwarding_headers: bool = False,
        origin: str | None = None,
    ) -> Principal:
        """The caller; `Unauthenticated` where a token is unknown, or is missing and needed.

        `host_header` is the host that was asked for, with or without a port.
        """
        if token is not None:
            return self._holder(token)
        if self._loopback_open and (
            _is_loopback(peer_host)
            and _is_loopback(_host_of(host_header))
            and not has_forwarding_headers
            and _is_own_origin(origin, host_header)
        ):
            return LOOPBACK
        raise Unauthenticated("a token is needed: send it as `Authorization: Bearer …`")

    def _holder(self, token: str) -> Principal:
        digest = _digest(token)
        found: Principal | None = None
        for known in self._tokens:  # to the end, so that time tells nothing
            if hmac.compare_digest(known.digest, digest):
                found = known.principal
        if found is None:
            raise Unauthenticated("nobody holds this token", wrong_token=True)
        return found


def is_forwarding_header(name: str) -> bool:
    """Whether a header of this lower-case name says that somebody passed the call on."""
    return name in _FORWARDING or name.startswith("x-forwarded-")


def _filters(filters: Iterable[str]) -> tuple[str, ...]:
    return tuple(topics.parse(text).filter for text in filters)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()


@lru_cache(maxsize=256)
def _is_loopback(host: str | None) -> bool:
    if host is None:
        return False
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)  # ::ffff:127.0.0.1, on a dual-stack socket
    return bool((mapped or address).is_loopback)


@lru_cache(maxsize=256)
def _host_of(header: str | None) -> str | None:
    """The host of a `Host` header, without port and brackets; None where there is none."""
    if not header:
        return None
    try:
        return urlsplit(f"//{header}").hostname
    except ValueError:
        return None


def _is_own_origin(origin: str | None, host_header: str | None) -> bool:
    """Whether the page that calls, if one does, came from this very host and port."""
    if origin is None:
        return True
    return host_header is not None and origin.lower().partition("://")[2] == host_header.lower()
