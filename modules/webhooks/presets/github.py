"""`github`: X-Hub-Signature-256, `sha256=` and the hex HMAC-SHA256 of the body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

from dskity.modules.webhooks.options import WebhookOptions
from dskity.modules.webhooks.presets.preset import Delivered, required
from dskity.modules.webhooks.signature import check_any, macs


@dataclass(frozen=True, slots=True)
class GitHub:
    """GitHub, and Gitea and Forgejo, which send the same headers. `{event}` is `push` and so on."""

    captures: ClassVar[tuple[str, ...]] = ("event",)

    keys: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def of(cls, options: WebhookOptions) -> Self:
        """See `PRESETS`."""
        return cls(options.signing_keys())

    def verify(self, headers: Mapping[str, str], body: bytes, now: float) -> Delivered:
        """See `Preset`."""
        del now  # the scheme has no time
        given = headers.get("x-hub-signature-256", "")
        check_any((f"sha256={mac}" for mac in macs(self.keys, body, "sha256", bytes.hex)), [given])
        event = required(headers, "x-github-event")
        return Delivered(required(headers, "x-github-delivery"), event, {"event": event})
