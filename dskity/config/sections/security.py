"""`security`: who may call the HTTP and gRPC APIs."""

from pathlib import Path
from typing import Literal, Self

from pydantic import ByteSize, Field, SecretStr, model_validator

from dskity.config.sections.filters import Filters
from dskity.config.sections.section import MIB, Section


class TokenSettings(Section):
    """One token and what its holder may do."""

    name: str = Field(min_length=1)
    """Who holds it; appears in logs."""
    token: SecretStr | None = Field(default=None, min_length=16)
    """The token, of 16 characters at least."""
    token_file: Path | None = None
    """A file that holds the token, instead of `token`."""
    publish: Filters = ()
    """Filters of the topics that may be published to; what is not listed is denied."""
    subscribe: Filters = ()
    """Filters that may be subscribed to; what is not listed is denied."""
    admin: bool = False
    """May do everything."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.token is None) == (self.token_file is None):
            raise ValueError("set either token or token_file")
        return self

    @model_validator(mode="after")
    def _may_do_something(self) -> Self:
        if not (self.publish or self.subscribe or self.admin):
            raise ValueError(
                f"the token {self.name!r} may do nothing: list topic filters under `publish` and "
                '`subscribe` ("#" is every topic), or set `admin: true`'
            )
        return self


class SecuritySettings(Section):
    """Who may call the HTTP and gRPC APIs."""

    tokens: tuple[TokenSettings, ...] = ()
    """Known tokens; with none, one is made in `state_dir` and shown once."""
    loopback: Literal["auto", "open", "closed"] = "auto"
    """Whether calls from this machine pass without a token; auto: while `tokens` is empty."""
    audit_file: Path | None = None
    """File for a JSON line for each denied and each privileged call; null: none."""
    audit_max_bytes: ByteSize = Field(default=ByteSize(10 * MIB), ge=1024)
    """Bytes of that file, after which it is renamed to `audit_file.1` and a new one begins."""
    audit_files: int = Field(default=4, ge=0, le=1000)
    """Renamed files to keep."""
