"""`GET /`: who answers here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter


def routes(name: str, enabled_modules: Callable[[], Sequence[str]]) -> APIRouter:
    """The service's name and its enabled modules."""
    router = APIRouter(tags=["runtime"])

    @router.get("/")
    async def who() -> dict[str, Any]:
        """The service's name and its enabled modules."""
        return {"service": name, "enabled_modules": list(enabled_modules())}

    return router
