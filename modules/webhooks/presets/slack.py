"""`slack`: X-Slack-Signature, `v0=` and the hex HMAC-SHA256 of `v0:<time>:<body>`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from dskity.bus.errors import InvalidPayload
from dskity.modules.webhooks.options import WebhookOptions
from dskity.modules.webhooks.presets.preset import Delivered, json_object, text_of
from dskity.modules.webhooks.signature import check_any, check_fresh, macs

_FORM = "interaction"  # slash commands and buttons come as forms, without id and type


@dataclass(frozen=True, slots=True)
class Slack:
    """Slack's Events API and interactions; the handshake of a new URL is answered at once."""

    captures: ClassVar[tuple[str, ...]] = ()

    keys: tuple[bytes, ...] = field(repr=False)
    tolerance: float

    @classmethod
    def of(cls, options: WebhookOptions) -> Self:
        """See `PRESETS`."""
        return cls(options.signing_keys(), options.tolerance_seconds)

    def verify(self, headers: Mapping[str, str], body: bytes, now: float) -> Delivered:
        """See `Preset`."""
        time = headers.get("x-slack-request-timestamp", "")
        signed = f"v0:{time}:".encode(errors="replace") + body
        wanted = macs(self.keys, signed, "sha256", lambda mac: f"v0={mac.hex()}")
        check_any(wanted, [headers.get("x-slack-signature", "")])
        check_fresh(time, now, self.tolerance)
        return _delivered(body)


def _delivered(body: bytes) -> Delivered:
    try:
        outer = json_object(body)
    except InvalidPayload:
        return Delivered(None, _FORM)
    type = text_of(outer, "type")
    if type == "url_verification":
        return Delivered(None, type, answer={"challenge": outer.get("challenge")})
    inner: Any = outer.get("event")
    if isinstance(inner, dict):
        type = text_of(inner, "type")
    id = outer.get("event_id")
    return Delivered(id if isinstance(id, str) else None, type)
