"""What a handler may raise to decide a message's end itself, and what it raised says."""

from __future__ import annotations

from dskity.bus.errors import DSkityError


class Outcome(Exception):  # these are decisions, not errors
    """The base of the three; `reason` goes into the log and the dead letter."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason or type(self).__name__)
        self.reason = reason


class Drop(Outcome):
    """Acknowledge the message and discard it."""


class Reject(Outcome):
    """Make the message a dead letter, without another attempt."""


class Retry(Outcome):
    """Retry after `after` seconds (None: the backoff of the policy), while attempts are left."""

    def __init__(self, reason: str = "", *, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


def is_answer(error: BaseException) -> bool:
    """Whether `error` says something to the requester, as `NotFound` does: it is no fault of the
    handler's. A bare `DSkityError` is what becomes of such a fault."""
    return isinstance(error, DSkityError) and type(error) is not DSkityError
