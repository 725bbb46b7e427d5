"""What an examination says of a broker: a frozen table of findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Verdict: TypeAlias = Literal["yes", "no", "unknown"]
FindingName: TypeAlias = Literal[
    "mqtt5",
    "qos2",
    "shared",
    "retained",
    "redelivery",
    "persistent",
    "window",
    "expiry",
    "dollar_wildcards",
    "dollar_publish",
    "overlap",
    "unsubscribe",
    "max_packet",
    "reports_no_match",
    "round_trip",
]


@dataclass(frozen=True, slots=True)
class Finding:
    """One question about a broker, its answer, and what was seen.

    The names are those of `Capabilities` where both ask the same. `unknown` is what could not be
    tried, or what the broker does not tell.
    """

    name: FindingName
    verdict: Verdict
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Examination:
    """All findings about the broker at `url`, in the order in which they are best read."""

    url: str
    findings: tuple[Finding, ...]

    def __getitem__(self, name: FindingName) -> Finding:
        """The finding of this name; every examination has all of them."""
        return next(finding for finding in self.findings if finding.name == name)


def judged(name: FindingName, detail: str = "", *, holds: bool) -> Finding:
    """A finding that is a plain yes or no."""
    return Finding(name, "yes" if holds else "no", detail)
