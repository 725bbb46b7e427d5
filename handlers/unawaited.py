"""A coroutine that was returned and not awaited: what it was to do is not done."""

from __future__ import annotations

from types import CoroutineType
from typing import Any

from dskity.bus.errors import DSkityError


def unawaited(result: Any) -> DSkityError | None:
    """The failure that a returned coroutine is, closed here; None for any other result.

    A middleware that ends with `return next(call, message)` makes one of every message: the handler
    never runs, and without this the message would count as handled.
    """
    if type(result) is not CoroutineType:
        return None
    name = result.__qualname__.replace("<locals>.", "")
    result.close()
    return DSkityError(
        f"a coroutine ({name}) was returned instead of its result: write `return await …`, as in "
        "`return await next(call, message)`"
    )
