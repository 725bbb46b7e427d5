"""What a bundled broker cannot do and does not announce."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dskity.bus.transport import Capabilities


@dataclass(frozen=True, slots=True)
class Limits:
    """`max_packet` is the largest packet in bytes, None where the broker tells it; `max_qos` is the
    highest QoS that it keeps to; `shares_filters` says that a group may have several filters."""

    max_packet: int | None = None
    max_qos: int = 2
    shares_filters: bool = True

    def on(self, told: Capabilities) -> Capabilities:
        """What the broker told, within these limits."""
        sizes = [size for size in (told.max_packet, self.max_packet) if size is not None]
        return told.but(
            max_packet=min(sizes, default=None),
            max_qos=min(told.max_qos, self.max_qos),
            shares_filters=told.shares_filters and self.shares_filters,
        )


NO_LIMITS: Final = Limits()
