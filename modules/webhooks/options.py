"""One source's settings as plain values; the names are those under `webhooks.<source>`."""

from __future__ import annotations

from dataclasses import dataclass, field

from dskity.bus.errors import InvalidSettings


@dataclass(frozen=True, slots=True)
class WebhookOptions:
    """`secret` has several entries while one is replaced by another; any of them is accepted.

    `header`, `algorithm`, `encoding` and `prefix` are for the presets `hmac` and `token`;
    `id_header` and `type_header`, for those and `none`, name the headers that hold the delivery's
    id and the event's type. A delivery without an id cannot be recognised when it comes again.
    """

    preset: str
    topic: str
    secret: tuple[str, ...] = field(default=(), repr=False)
    header: str | None = None
    algorithm: str = "sha256"
    encoding: str = "hex"
    prefix: str = ""
    id_header: str | None = None
    type_header: str | None = None
    tolerance_seconds: float = 300.0
    dedupe_window_seconds: float = 86_400.0
    max_body_bytes: int = 1024 * 1024

    def signing_keys(self) -> tuple[bytes, ...]:
        """The secrets as bytes; `InvalidSettings` where there is none, or an empty one."""
        if not self.secret or not all(self.secret):
            raise InvalidSettings(f"secret: preset {self.preset} needs one, and none may be empty")
        return tuple(secret.encode() for secret in self.secret)

    def needed_header(self) -> str:
        """`header` in lower case; `InvalidSettings` where it is missing."""
        if not self.header:
            raise InvalidSettings(f"header: preset {self.preset} needs the name of one to check")
        return self.header.lower()
