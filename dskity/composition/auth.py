"""Who may call the HTTP and gRPC APIs: the guard that the settings describe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.bus import DEFAULT_ROOT
from dskity.bus.errors import InvalidSettings
from dskity.config.sections.security import SecuritySettings, TokenSettings
from dskity.modules.access.security import Guard, Token
from dskity.modules.access.token_file import load_or_create_token
from dskity.modules.audit.access import Access
from dskity.modules.audit.counters import AccessCounters
from dskity.modules.audit.file import AuditFile

TOKEN_FILE = "token"  # noqa: S105  # a file's name


@dataclass(frozen=True, slots=True)
class Guarding:
    """The guard; `made` is the file of a token that was made just now, for the banner."""

    guard: Guard
    made: Path | None


def guarding(
    security: SecuritySettings,
    state_dir: Path,
    root: str = DEFAULT_ROOT,
    clock: Clock = SYSTEM_CLOCK,
) -> Guarding:
    """With no token configured, the one in `state_dir` (made if need be) counts, and calls from
    this machine pass without one, unless `security.loopback` closes it."""
    access = _access(security, root, clock)
    if security.tokens:
        tokens = [_token(entry) for entry in security.tokens]
        return Guarding(
            Guard(tokens, loopback_open=security.loopback == "open", access=access), None
        )
    file = state_dir / TOKEN_FILE
    made = None if file.exists() else file
    own = Token.of("state_dir/token", load_or_create_token(file), admin=True)
    return Guarding(Guard([own], loopback_open=security.loopback != "closed", access=access), made)


def _access(security: SecuritySettings, root: str, clock: Clock) -> Access:
    counters = AccessCounters()
    audit = None
    if security.audit_file is not None:
        audit = AuditFile(
            security.audit_file,
            max_bytes=security.audit_max_bytes,
            keep=security.audit_files,
            counters=counters,
        )
    return Access(root=root, audit=audit, counters=counters, clock=clock)


def _token(entry: TokenSettings) -> Token:
    if entry.token is not None:
        secret = entry.token.get_secret_value()
    else:
        assert entry.token_file is not None  # noqa: S101  # the settings have one of the two
        try:
            secret = entry.token_file.read_text().strip()
        except OSError as error:
            raise InvalidSettings(
                f"security.tokens: token_file {str(entry.token_file)!r} of {entry.name!r} cannot "
                f"be read: {error.strerror}"
            ) from error
    return Token.of(
        entry.name,
        secret,
        publish=entry.publish,
        subscribe=entry.subscribe,
        admin=entry.admin,
    )
