"""`/health/live`: the process answers. `/health/ready`: it can do its work, check by check."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from dskity.bus.base.tasks import is_ending
from dskity.bus.errors import DSkityError
from dskity.modules.access.documented import json_object, responses
from dskity.modules.contract import Check

CHECK_TIMEOUT = 2.0  # seconds; orchestrators commonly give a probe one to five

_NOT_READY = json_object("Not ready: at least one check fails.")
_NOT_READY["content"] |= responses(503)["503"]["content"]


def routes(checks: Mapping[str, Check]) -> APIRouter:
    """The probes. `checks` is read at each call, so that what is added later counts too."""
    router = APIRouter(prefix="/health", tags=["health"])

    @router.get("/live")
    async def live() -> dict[str, str]:
        """200 while the process can answer at all."""
        return {"status": "ok"}

    @router.get("/ready", responses={503: _NOT_READY})
    async def ready(request: Request) -> JSONResponse:
        """200 when every check is well, else 503. A stranger hears which checks fail; a caller that
        is known, of each check and its reason."""
        reasons = await ask(checks)
        well = not any(reasons.values())
        known = getattr(request.state, "principal", None) is not None
        body = {
            "status": _word(None if well else "not ready"),
            "checks": _all(reasons) if known else _failed(reasons),
        }
        return JSONResponse(body, HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE)

    return router


def _all(reasons: Mapping[str, str | None]) -> dict[str, Any]:
    return {name: {"status": _word(reason), "reason": reason} for name, reason in reasons.items()}


def _failed(reasons: Mapping[str, str | None]) -> dict[str, Any]:
    """No reason: it may quote an exception, and that a password."""
    return {name: {"status": _word(reason)} for name, reason in reasons.items() if reason}


async def ask(checks: Mapping[str, Check]) -> dict[str, str | None]:
    """What each check says, all asked at once; None where it is well."""
    asked: dict[str, asyncio.Task[str | None]] = {}
    async with asyncio.TaskGroup() as group:
        for name, check in tuple(checks.items()):
            asked[name] = group.create_task(_ask(check), name=f"check {name}")
    return {name: task.result() for name, task in asked.items()}


async def _ask(check: Check) -> str | None:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT):
            return await check()
    except TimeoutError:
        return f"no answer within {CHECK_TIMEOUT:g} s"
    except DSkityError as error:
        return str(error)
    except BaseException as error:  # a broken check is a reason, not a broken probe
        if is_ending():
            raise
        return f"the check failed with {type(error).__name__}"


def _word(reason: Any) -> str:
    return "ok" if reason is None else "failed"
