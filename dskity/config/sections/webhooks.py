"""`webhooks.<name>`: where a webhook comes in, how it is verified, and its topic."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ByteSize, Field, model_validator

from dskity.bus.topics import check_topic
from dskity.config.sections.section import MIB, Secrets, Section

_NAMED = frozenset({"hmac", "token", "none"})
READ_BY = {
    "secret": frozenset({"github", "stripe", "standard", "slack", "hmac", "token"}),
    "header": frozenset({"hmac", "token"}),
    "algorithm": frozenset({"hmac"}),
    "encoding": frozenset({"hmac"}),
    "prefix": frozenset({"hmac", "token"}),
    "id_header": _NAMED,
    "type_header": _NAMED,
    "tolerance_seconds": frozenset({"stripe", "standard", "slack"}),
}
"""The presets that use a key, of the keys that not all of them use."""


PRESETS = ("github", "stripe", "standard", "slack", "hmac", "token", "none")


class WebhookSettings(Section):
    """One source of webhooks, at `/webhooks/{name}`."""

    preset: str = Field(min_length=1)
    """Signature scheme of the sender: github, stripe, standard, slack, hmac, token, none (accepts
    every request), or the name of one that a module provides."""
    secret: Secrets = ()
    """The shared secret, or a list of secrets during a change."""
    topic: Annotated[str, AfterValidator(check_topic)]
    """Topic to publish to; {event}, {type} and others are filled from the delivery."""
    header: str | None = None
    """For hmac and token: the header with the signature or token."""
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    """For hmac: the hash function."""
    encoding: Literal["hex", "base64"] = "hex"
    """For hmac: the encoding of the signature."""
    prefix: str = ""
    """For hmac and token: the text before the signature or token in its header."""
    id_header: str | None = None
    """For hmac, token and none: the header with the id of the delivery."""
    type_header: str | None = None
    """For hmac, token and none: the header with the type of the event."""
    tolerance_seconds: float = Field(default=300, gt=0)
    """Maximum age of a delivery in seconds, if the scheme has a time."""
    dedupe_window_seconds: float = Field(default=86_400, ge=0)
    """Seconds for which a repeated id is a duplicate; 0: never."""
    max_body_bytes: ByteSize = Field(default=ByteSize(MIB), ge=1)
    """Maximum size of a body in bytes; a larger one is answered with 413."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.preset not in PRESETS:  # it knows itself what it reads
            return self
        if self.preset != "none" and not any(secret.get_secret_value() for secret in self.secret):
            raise ValueError(f"preset {self.preset} needs a secret")
        if self.preset in {"hmac", "token"} and self.header is None:
            raise ValueError(f"preset {self.preset} needs header, the name of the header to check")
        ignored = [key for key, presets in READ_BY.items() if self.preset not in presets]
        for key in self.model_fields_set.intersection(ignored):
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"preset {self.preset} does not use {key}: leave it out")
        return self
