"""How much is kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """At most so many dead letters, bytes, and seconds; beyond, the oldest are deleted.

    `seconds` None keeps them until there is no room.
    """

    letters: int = 10_000
    bytes: int = 64 * 1024 * 1024
    seconds: float | None = 30 * 86_400.0
