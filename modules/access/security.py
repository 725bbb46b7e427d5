"""Who may call an API: tokens and the loopback rule. Values in, a verdict out.

A call with a known token is its holder's. A call without one passes only where the guard is
`loopback_open` and the call is plainly of the person at this machine: the peer is a loopback
address, the host it asked for is loopback too (a DNS name that was rebound to us is not), nothing
forwarded it, no web page of another origin made it, and the peer's socket is ours (`loopback.py`).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from dskity.bus import topics
from dskity.bus.base.addresses import is_loopback
from dskity.bus.errors import InvalidSettings, Unauthenticated
from dskity.modules.access.loopback import host_of, is_own_origin
from dskity.modules.audit.access import Access
from dskity.modules.rights import LOOPBACK, Principal


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
    """Decides who a call comes from; the HTTP and gRPC APIs ask it."""

    def __init__(
        self,
        tokens: Iterable[Token] = (),
        *,
        loopback_open: bool = False,
        access: Access | None = None,
    ) -> None:
        self.access = access or Access()
        """What the APIs report of the calls that they allow and refuse."""
        self._tokens = tuple(tokens)
        self._loopback_open = loopback_open

    @property
    def loopback_open(self) -> bool:
        """Whether the person at this machine needs no token."""
        return self._loopback_open

    def authorize(
        self,
        token: str | None,
        peer_host: str | None,
        host_header: str | None,
        is_forwarded: bool = False,
        origin: str | None = None,
        belongs_to_us: Callable[[], bool] = lambda: True,
    ) -> Principal:
        """The caller; `Unauthenticated` where a token is unknown, or is missing and needed.

        `host_header` is the host that was asked for, with or without a port. `belongs_to_us` is
        asked last, and only of a call without a token: whether the peer's socket is ours.
        """
        if token is not None:
            return self._holder(token)
        if self._loopback_open and (
            is_loopback(peer_host)
            and is_loopback(host_of(host_header))
            and not is_forwarded
            and is_own_origin(origin, host_header)
            and belongs_to_us()
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
            raise Unauthenticated("this token is unknown", wrong_token=True)
        return found


def _filters(filters: Iterable[str]) -> tuple[str, ...]:
    return tuple(topics.parse(text).filter for text in filters)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()
