"""`none`: anybody may deliver. It must be written out, so that a key left out never means it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from dskity.bus.errors import InvalidSettings
from dskity.modules.webhooks.options import WebhookOptions
from dskity.modules.webhooks.presets.named import Named
from dskity.modules.webhooks.presets.preset import Delivered


@dataclass(frozen=True, slots=True)
class Unsigned:
    """No check: for senders that can sign nothing, behind something that keeps others out."""

    captures: ClassVar[tuple[str, ...]] = ()

    named: Named

    @classmethod
    def of(cls, options: WebhookOptions) -> Self:
        """See `PRESETS`."""
        if options.secret:
            raise InvalidSettings("secret: preset none checks nothing: choose another, or drop it")
        return cls(Named.of(options))

    def verify(self, headers: Mapping[str, str], body: bytes, now: float) -> Delivered:
        """See `Preset`."""
        del now  # nothing is checked
        return self.named.delivered(headers, body)
