"""What all presets check with: MACs in constant time, freshness, and one refusal for everything."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable

from dskity.bus.errors import Unauthenticated


def refusal() -> Unauthenticated:
    """The error of every failed check: which one it was would help a forger."""
    return Unauthenticated("the webhook's signature is not accepted")


def check_any(candidates: Iterable[str], given: Iterable[str]) -> None:
    """Refuse unless one of the `given` texts is one of the `candidates`; all pairs are compared."""
    offered = [text.encode(errors="replace") for text in given]
    found = False
    for candidate in candidates:
        for text in offered:
            found |= hmac.compare_digest(candidate.encode(), text)
    if not found:
        raise refusal()


def macs(
    keys: Iterable[bytes], signed: bytes, algorithm: str, write: Callable[[bytes], str]
) -> list[str]:
    """The MAC of `signed` under each key, as `write` writes it."""
    return [write(hmac.digest(key, signed, algorithm)) for key in keys]


def check_fresh(timestamp: str, now: float, tolerance: float) -> None:
    """Refuse a delivery whose Unix time lies more than `tolerance` seconds from `now`."""
    if not timestamp.isdecimal() or abs(now - int(timestamp)) > tolerance:
        raise refusal()
