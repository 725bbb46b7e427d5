"""What a check found: how many, how fast, and whether that is well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles


class CheckFailed(Exception):
    """What was promised did not happen; the text says what did."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`count` events happened; `latencies` are in seconds, where there is something to time.

    They compare moments of different processes, by the wall clock: where that is set back
    meanwhile, one that comes out below zero counts as none.
    """

    count: int
    latencies: Sequence[float] = ()
    note: str = ""

    def percentile(self, percent: int) -> float | None:
        """In milliseconds, by linear interpolation; None where nothing was timed."""
        latencies = [max(0.0, latency) * 1000 for latency in self.latencies]
        if len(latencies) < 2:  # noqa: PLR2004  # what quantiles needs
            return latencies[0] if latencies else None
        return quantiles(latencies, n=100, method="inclusive")[percent - 1]


@dataclass(frozen=True, slots=True)
class Result:
    """A check's name and its finding, or why it failed."""

    name: str
    finding: Finding | None
    reason: str = ""

    @property
    def passed(self) -> bool:
        """Whether it is well."""
        return self.finding is not None


def expect(condition: object, otherwise: str) -> None:
    """`CheckFailed` with `otherwise` unless the condition holds."""
    if not condition:
        raise CheckFailed(otherwise)
