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


class WebhookSettings(Section):
    """One source, reached at `/webhooks/{name}`."""

    preset: Literal["github", "stripe", "standard", "slack", "hmac", "token", "none"]
    """How the sender signs; none accepts anything and must be written out."""
    secret: Secrets = ()
    """The shared secret, or a list of them while one is replaced by another."""
    topic: Annotated[str, AfterValidator(check_topic)]
    """Topic to publish on; {event}, {type} and the like are filled from the delivery."""
    header: str | None = None
    """For hmac and token: the header that holds the signature or token."""
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    """For hmac: the hash."""
    encoding: Literal["hex", "base64"] = "hex"
    """For hmac: how the signature is written."""
    prefix: str = ""
    """For hmac and token: what stands before the signature or token in its header."""
    id_header: str | None = None
    """For hmac, token and none: the header with the delivery's id, to recognise it by."""
    type_header: str | None = None
    """For hmac, token and none: the header with the event's type."""
    tolerance_seconds: float = Field(default=300, gt=0)
    """Age of a delivery at most, where the scheme has a time."""
    dedupe_window_seconds: float = Field(default=86_400, ge=0)
    """Seconds in which a delivery of the same id is recognised; 0 recognises none."""
    max_body_bytes: ByteSize = Field(default=ByteSize(MIB), ge=1)
    """Bytes of a body at most; more is answered with 413."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.preset != "none" and not any(secret.get_secret_value() for secret in self.secret):
            raise ValueError(f"preset {self.preset} needs a secret")
        if self.preset in {"hmac", "token"} and self.header is None:
            raise ValueError(f"preset {self.preset} needs header, the name of the header to check")
        ignored = [key for key, presets in READ_BY.items() if self.preset not in presets]
        for key in self.model_fields_set.intersection(ignored):
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"preset {self.preset} does not use {key}: leave it out")
        return self
