"""What is measured, and what it is measured against."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.harness import Sample


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure that DESIGN §14 sets: `value` is to be at least, or at most, `limit`."""

    text: str
    value: float
    limit: float
    at_least: bool = True

    @property
    def met(self) -> bool:
        """Whether it is reached."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def shown(self) -> str:
        """Such as `15.2 × FastStream (≥ 15)`."""
        sign = "≥" if self.at_least else "≤"
        return f"{figure(self.value)} {self.text} ({sign} {figure(self.limit)})"


@dataclass(slots=True)
class Measured:
    """One thing, measured once a round."""

    name: str
    unit: str
    samples: Sequence[Sample]
    key: str = "rate"
    cpu_key: str | None = "cpu"
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The figure."""
        return self.of(self.key)

    @property
    def spread(self) -> tuple[float, float]:
        """The least and the greatest of the rounds."""
        values = [sample[self.key] for sample in self.samples]
        return min(values), max(values)

    @property
    def cpu(self) -> float | None:
        """Median CPU microseconds an operation, where it was measured."""
        key = self.cpu_key
        return self.of(key) if key is not None and key in self.samples[0] else None

    @property
    def lost(self) -> int:
        """Messages that never came, in all rounds."""
        return int(sum(sample.get("lost", 0) for sample in self.samples))

    def of(self, key: str) -> float:
        """The median of another value of the samples."""
        return statistics.median(sample[key] for sample in self.samples)

    def at_least(self, limit: float, text: str, value: float) -> None:
        """Set a goal."""
        self.goals.append(Goal(text, value, limit))

    def at_most(self, limit: float, text: str, value: float) -> None:
        """Set a goal that is a bound."""
        self.goals.append(Goal(text, value, limit, at_least=False))


@dataclass(frozen=True, slots=True)
class Table:
    """The figures of one row of DESIGN §14."""

    key: str
    title: str
    measured: Sequence[Measured]
    note: str = ""


def figure(value: float) -> str:
    """Three digits of a small number, all digits of a large one."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
