"""`token`: a sender that puts the shared secret itself into a header, as GitLab does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

from dskity.modules.webhooks.options import WebhookOptions
from dskity.modules.webhooks.presets.named import Named
from dskity.modules.webhooks.presets.preset import Delivered
from dskity.modules.webhooks.signature import check_any


@dataclass(frozen=True, slots=True)
class TokenHeader:
    """`header` holds `prefix` and the secret. Only TLS keeps it secret, and bodies unchanged."""

    captures: ClassVar[tuple[str, ...]] = ()

    values: tuple[str, ...] = field(repr=False)
    header: str
    named: Named

    @classmethod
    def of(cls, options: WebhookOptions) -> Self:
        """See `PRESETS`."""
        values = tuple(options.prefix + key.decode() for key in options.signing_keys())
        return cls(values, options.needed_header(), Named.of(options))

    def verify(self, headers: Mapping[str, str], body: bytes, now: float) -> Delivered:
        """See `Preset`."""
        del now  # the scheme has no time
        check_any(self.values, [headers.get(self.header, "")])
        return self.named.delivered(headers, body)
