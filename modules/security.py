"""Who may pass a door: tokens, principals, and the loopback rule. Values in, a verdict out.

A call with a known token is its holder's. A call without one passes only where the guard is
`loopback_open` and the call is plainly of the person at this machine: the peer is a loopback
address, the host it asked for is loopback too (a DNS name that was rebound to us is not), nothing
forwarded it, no web page of another origin made it, and the peer's socket is ours (`loopback.py`).
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import secrets
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from dskity.bus import topics
from dskity.bus.errors import Forbidden, InvalidSettings, Unauthenticated
from dskity.modules.loopback import host_of, is_loopback, is_own_origin

EVERYTHING = ("#",)
_TOKEN_BYTES = 32  # 256 bits: beyond guessing, and one line when shown


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller: its name for the log, and what it may do, as MQTT filters."""

    name: str
    publish: tuple[str, ...] = EVERYTHING
    subscribe: tuple[str, ...] = EVERYTHING
    admin: bool = False

    def may_publish(self, topic: str) -> bool:
        """Whether one of its filters matches the topic."""
        return any(topics.matches(allowed, topic) for allowed in self.publish)

    def may_subscribe(self, filter: str) -> bool:
        """Whether everything that matches the MQTT filter is allowed to it."""
        return any(covers(allowed, filter) for allowed in self.subscribe)

    def require_publish(self, topic: str) -> None:
        """`Forbidden` unless it may publish to the topic; `InvalidTopic` where nobody could."""
        topics.check_topic(topic)
        if not self.may_publish(topic):
            raise Forbidden(f"{self.name} may not publish to {topic!r}")

    def require_subscribe(self, filter: str) -> None:
        """`Forbidden` unless it may subscribe to the MQTT filter."""
        if not self.may_subscribe(filter):
            raise Forbidden(f"{self.name} may not subscribe to {filter!r}")


LOOPBACK = Principal("loopback", admin=True)


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
        publish: Iterable[str] = EVERYTHING,
        subscribe: Iterable[str] = EVERYTHING,
        admin: bool = False,
    ) -> Token:
        """The token `secret` of the holder `name`; `InvalidTopic` where a filter is none."""
        if not secret:
            raise InvalidSettings(f"security.tokens: the token of {name!r} is empty")
        return cls(Principal(name, _filters(publish), _filters(subscribe), admin), _digest(secret))


class Guard:
    """Decides who a call comes from; both doors ask it."""

    def __init__(self, tokens: Iterable[Token] = (), *, loopback_open: bool = False) -> None:
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
            raise Unauthenticated("nobody holds this token")
        return found


def covers(allowed: str, filter: str) -> bool:
    """Whether every topic that matches `filter` matches `allowed` too (both MQTT filters)."""
    wide = allowed.split("/")
    narrow = topics.split_share(filter)[1].split("/")
    if narrow[0].startswith("$") and wide[0] in {"+", "#"}:
        return False  # a leading wildcard never matches `$…` ([MQTT-4.7.2-1])
    for index, level in enumerate(wide):
        if level == "#":
            return True
        if index >= len(narrow) or narrow[index] == "#":
            return False
        if level not in {"+", narrow[index]}:
            return False
    return len(wide) == len(narrow)


def load_or_create_token(path: Path) -> str:
    """The token in a file, made on the first call (mode 0600); of two at once both get the same."""
    if not path.exists():
        _create_token(path)
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"token file {path} cannot be read: {error}") from error
    if not token:
        raise InvalidSettings(f"token file {path} is empty: delete it, and a new one is made")
    return token


def _create_token(path: Path) -> None:
    """Write it aside and link it into place: a link appears whole, and only where nothing is."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".token-") as draft:  # 0600
            draft.write(secrets.token_urlsafe(_TOKEN_BYTES) + "\n")
            draft.flush()
            with contextlib.suppress(FileExistsError):  # another runtime was first
                path.hardlink_to(draft.name)
    except OSError as error:
        raise InvalidSettings(
            f"token file {path} cannot be written: {error.strerror}; set `state_dir`"
        ) from error


def _filters(filters: Iterable[str]) -> tuple[str, ...]:
    return tuple(topics.parse(text).filter for text in filters)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()
