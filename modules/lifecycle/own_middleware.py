"""The class attribute `middleware` of a module, checked."""

from __future__ import annotations

from typing import Any

from dskity.bus.errors import InvalidHandler, ModuleFailed
from dskity.bus.middleware import Middleware, checked_middleware


def own_middleware(module: Any, name: str) -> tuple[Middleware, ...]:
    """What runs round every handler of the module; `ModuleFailed` says what to write instead."""
    where = f"{type(module).__qualname__}.middleware"
    try:
        return checked_middleware(getattr(module, "middleware", ()), where)
    except InvalidHandler as error:
        raise ModuleFailed(name, str(error)) from error
