"""What a handler may raise to decide a message's end itself, and what it raised in words."""

from __future__ import annotations


class Outcome(Exception):  # these are decisions, not errors
    """The base of the three; `reason` goes into the log and the dead letter."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason or type(self).__name__)
        self.reason = reason


class Drop(Outcome):
    """Acknowledge the message and forget it."""


class Reject(Outcome):
    """To the dead letter now, without another attempt."""


class Retry(Outcome):
    """Once more after `after` seconds (None: the policy's backoff), while attempts are left."""

    def __init__(self, reason: str = "", *, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


def in_words(error: BaseException) -> str:
    """`ValueError: too hot`; an error whose own text fails has its name."""
    try:
        return f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: BLE001  # a user's `__str__` may raise anything
        return type(error).__name__
