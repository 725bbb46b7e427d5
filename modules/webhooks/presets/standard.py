"""`standard`: Standard Webhooks 1.0 with symmetric keys, `webhook-signature: v1,<base64> …`."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

from dskity.bus.errors import InvalidSettings
from dskity.modules.webhooks.options import WebhookOptions
from dskity.modules.webhooks.presets.preset import Delivered, type_in
from dskity.modules.webhooks.signature import check_any, check_fresh, macs, refusal

_PREFIX = "whsec_"


@dataclass(frozen=True, slots=True)
class Standard:
    """Any sender that follows standardwebhooks.com; a secret is `whsec_` and base64."""

    captures: ClassVar[tuple[str, ...]] = ()

    keys: tuple[bytes, ...] = field(repr=False)
    tolerance: float

    @classmethod
    def of(cls, options: WebhookOptions) -> Self:
        """See `PRESETS`."""
        return cls(
            tuple(_key(key.decode()) for key in options.signing_keys()), options.tolerance_seconds
        )

    def verify(self, headers: Mapping[str, str], body: bytes, now: float) -> Delivered:
        """See `Preset`."""
        id, time = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not id:
            raise refusal()
        signed = f"{id}.{time}.".encode(errors="replace") + body
        given = headers.get("webhook-signature", "").split(" ")
        wanted = macs(self.keys, signed, "sha256", lambda mac: f"v1,{b64encode(mac).decode()}")
        check_any(wanted, given)
        check_fresh(time, now, self.tolerance)
        return Delivered(id, type_in(body))


def _key(secret: str) -> bytes:
    try:
        return b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise InvalidSettings(
            f"secret: not base64 ({error}): copy it whole, as {_PREFIX}…"
        ) from None
