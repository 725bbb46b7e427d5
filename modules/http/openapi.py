"""What the app's OpenAPI document says of errors: each status that a call can have, as a problem.

FastAPI knows nothing of the guard and the bounds in front of the routes, and documents a 422 that
it does not answer here. What only some routes answer is at the route (`responses`); what any may,
is added to the document when it is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI

from dskity.modules.access.documented import PROBLEM, responses

_COMMON = (400, 401, 403, 408, 413, 422, 500, 503)
"""A bad request, the guard, rights, time-outs, bounds, values, and what is unexpected or cannot be
at the moment."""
_OF_PARAMETERS = (404, 405)
"""What fits no route after all, or another one: a line break, a slash more."""
_PROBLEM = {
    "type": "object",
    "title": PROBLEM,
    "description": "An RFC 9457 problem.",
    "required": ["title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}


def document_errors(app: FastAPI) -> None:
    """Add the errors to the app's document, once it is made."""
    make: Callable[[], dict[str, Any]] = app.openapi
    done: list[dict[str, Any]] = []

    def openapi() -> dict[str, Any]:
        document = make()
        if not done or done[0] is not document:
            _add_to(document)
            done[:] = [document]
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's way to extend it


def _add_to(document: dict[str, Any]) -> None:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.setdefault(PROBLEM, _PROBLEM)
    for path, operations in document.get("paths", {}).items():
        common = responses(*_COMMON, *(_OF_PARAMETERS if "{" in path else ()))
        for operation in operations.values():
            told = operation.setdefault("responses", {})
            if _is_frameworks(told.get("422")):
                del told["422"]
            for status, response in common.items():
                told.setdefault(status, response)


def _is_frameworks(response: Any) -> bool:
    return "HTTPValidationError" in str(response)
