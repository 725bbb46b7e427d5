"""`stripe`: Stripe-Signature, `t=<time>,v1=<hex>`, HMAC-SHA256 of `<time>.<body>`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

from dskity.modules.webhooks.options import WebhookOptions
from dskity.modules.webhooks.presets.preset import Delivered, json_object, text_of
from dskity.modules.webhooks.signature import check_any, check_fresh, macs


@dataclass(frozen=True, slots=True)
class Stripe:
    """Stripe. Id and type are the event's own, such as `evt_…` and `invoice.paid`."""

    captures: ClassVar[tuple[str, ...]] = ()

    keys: tuple[bytes, ...] = field(repr=False)
    tolerance: float

    @classmethod
    def of(cls, options: WebhookOptions) -> Self:
        """See `PRESETS`."""
        return cls(options.signing_keys(), options.tolerance_seconds)

    def verify(self, headers: Mapping[str, str], body: bytes, now: float) -> Delivered:
        """See `Preset`."""
        parts = [
            part.strip().partition("=") for part in headers.get("stripe-signature", "").split(",")
        ]
        time = next((value for name, _, value in parts if name == "t"), "")
        signed = time.encode(errors="replace") + b"." + body
        given = [value for name, _, value in parts if name == "v1"]
        check_any(macs(self.keys, signed, "sha256", bytes.hex), given)
        check_fresh(time, now, self.tolerance)
        event = json_object(body)
        return Delivered(text_of(event, "id"), text_of(event, "type"))
