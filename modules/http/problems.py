"""Every error as an RFC 9457 problem with the call's `request_id`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exception_handlers import (
    http_exception_handler,
    request_validation_exception_handler,
)
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from dskity.bus.base.jsontext import parse_json
from dskity.bus.errors import DSkityError, RemoteError, Unavailable
from dskity.bus.problem import PROBLEM_TYPE, problem_of, status_of
from dskity.modules.access.request_id import HEADER
from dskity.modules.http.security_headers import STRICT

_FRAMEWORKS_OWN = (None, http_exception_handler, request_validation_exception_handler)
_FIRST_ERROR, _LAST_STATUS = 400, 599  # what a remote responder calls its status is not always one


class ProblemResponse(JSONResponse):
    """A problem object as a response of its status."""

    media_type = PROBLEM_TYPE

    def __init__(
        self, problem: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(problem, problem["status"], headers)
        for name, value in STRICT:  # where an error is answered outside of all middleware
            self.headers.setdefault(name.decode(), value.decode())


def respond(
    error: BaseException, scope: Scope, headers: Mapping[str, str] | None = None
) -> ProblemResponse:
    """The response to an error that ends the call with this scope."""
    problem = problem_of(error, **_extensions(scope))
    if isinstance(error, RemoteError):
        problem |= {**_sendable(error), **_extensions(scope)}
    if isinstance(error, Unavailable):
        headers = {"retry-after": str(max(1, math.ceil(error.retry_after))), **(headers or {})}
    return ProblemResponse(problem, headers)


def _sendable(error: RemoteError) -> dict[str, Any]:
    """The problem of a remote responder as HTTP can tell it.

    Its status may be none of HTTP's errors, and its members may be no JSON (NaN, text that is no
    Unicode, values nested without end): then the responder is at fault, which is a 502.
    """
    status = status_of(error).http
    known = _FIRST_ERROR <= status <= _LAST_STATUS
    try:
        members: dict[str, Any] = parse_json(to_json(dict(error.problem), inf_nan_mode="constants"))
    except (ValueError, RecursionError):
        return {
            "title": HTTPStatus.BAD_GATEWAY.phrase,
            "status": HTTPStatus.BAD_GATEWAY.value,
            "detail": "the responder's error is not JSON that can be sent on",
        }
    return members | {"status": status if known else HTTPStatus.BAD_GATEWAY.value}


def answers_unexpected(app: FastAPI) -> bool:
    """Whether an unexpected error of this app is answered as we do, not by a handler of its own."""
    return app.exception_handlers.get(Exception) is _unexpected and (
        HTTPStatus.INTERNAL_SERVER_ERROR.value not in app.exception_handlers
    )


def answer_errors_with_problems(app: FastAPI) -> None:
    """Install the handlers, but for errors that the app has a handler of its own for."""
    handlers = {
        DSkityError: _ours,
        RequestValidationError: _invalid,
        HTTPException: _http,
        Exception: _unexpected,
    }
    for kind, handler in handlers.items():
        if app.exception_handlers.get(kind) in _FRAMEWORKS_OWN:
            app.add_exception_handler(kind, handler)


async def _ours(request: Request, error: Exception) -> Response:
    return respond(error, request.scope)


async def _unexpected(request: Request, error: Exception) -> Response:
    # The framework raises it again when this is sent, and the server logs it; this runs outside
    # the middleware that adds the id to every other response.
    response = respond(error, request.scope)
    if "request_id" in request.scope.get("state", {}):
        response.headers[HEADER] = request.scope["state"]["request_id"]
    return response


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for it
    faults = [
        {"loc": list(fault["loc"]), "msg": fault["msg"], "type": fault["type"]}
        for fault in error.errors()
    ]
    first = faults[0]
    detail = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return _problem(request, HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=faults)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for it
    if error.status_code in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
        return Response(status_code=error.status_code, headers=error.headers)
    if not isinstance(error.detail, str):  # FastAPI allows any JSON; a problem's detail is text
        return _problem(request, error.status_code, None, error.headers, info=error.detail)
    if error.status_code == HTTPStatus.NOT_FOUND and error.detail == HTTPStatus.NOT_FOUND.phrase:
        return _problem(request, 404, f"nothing is at {request.method} {request.url.path}")
    return _problem(request, error.status_code, error.detail, error.headers)


def _problem(
    request: Request,
    status: int,
    detail: str | None,
    headers: Mapping[str, str] | None = None,
    **extensions: Any,
) -> ProblemResponse:
    try:
        title = HTTPStatus(status).phrase
    except ValueError:
        title = "Error"
    problem = {"type": "about:blank", "title": title, "status": int(status)}
    if detail is not None:
        problem["detail"] = detail
    return ProblemResponse(problem | extensions | _extensions(request.scope), headers)


def _extensions(scope: Scope) -> dict[str, Any]:
    request_id = scope.get("state", {}).get("request_id")
    return {} if request_id is None else {"request_id": request_id}
