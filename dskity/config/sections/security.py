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
    """Filters of the topics that the token may publish to; all others are denied."""
    subscribe: Filters = ()
    """Filters that the token may subscribe to; all others are denied."""
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
    """Valid tokens; if empty, the runtime creates one in `state_dir`."""
    loopback: Literal["auto", "open", "closed"] = "auto"
    """Accept calls from this machine without a token; auto: while `tokens` is empty."""
    audit_file: Path | None = None
    """File with a JSON line for each denied and each privileged call; null: none."""
    audit_max_bytes: ByteSize = Field(default=ByteSize(10 * MIB), ge=1024)
    """Size of the file in bytes at which it is renamed to `audit_file.1`."""
    audit_files: int = Field(default=4, ge=0, le=1000)
    """Number of renamed files to keep."""

    @model_validator(mode="after")
    def _bounds_need_the_file(self) -> Self:
        if self.audit_file is None:
            for name in ("audit_max_bytes", "audit_files"):
                if name in self.model_fields_set:
                    raise ValueError(
                        f"{name} has no effect without audit_file: set audit_file, or remove {name}"
                    )
        return self
