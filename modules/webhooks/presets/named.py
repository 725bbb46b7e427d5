"""Where a sender without a scheme of its own puts the delivery's id and the event's type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from dskity.modules.webhooks.options import WebhookOptions
from dskity.modules.webhooks.presets.preset import Delivered, required, type_in


@dataclass(frozen=True, slots=True)
class Named:
    """The headers with id and type; without a `type_header` the body's `type` counts."""

    id_header: str | None
    type_header: str | None

    @classmethod
    def of(cls, options: WebhookOptions) -> Self:
        """The headers that the options name."""
        return cls(_lower(options.id_header), _lower(options.type_header))

    def delivered(self, headers: Mapping[str, str], body: bytes) -> Delivered:
        """The delivery, once it is verified."""
        return Delivered(
            None if self.id_header is None else required(headers, self.id_header),
            type_in(body) if self.type_header is None else required(headers, self.type_header),
        )


def _lower(name: str | None) -> str | None:
    return None if name is None else name.lower()
