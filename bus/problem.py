"""One table from our errors to HTTP status, gRPC code and the reply header `dskity-status`.

The reply header carries the HTTP status as decimal text; a reply without it is a success. The body
of an error reply, over HTTP and over MQTT alike, is an RFC 9457 problem object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from dskity.bus import errors as e
from dskity.bus.base.text import escape
from dskity.bus.base.wording import text_of

PROBLEM_TYPE = "application/problem+json"
STATUS_HEADER = "dskity-status"


@dataclass(frozen=True, slots=True)
class Status:
    """How the HTTP and gRPC APIs show an error: `http` status, `grpc` canonical code name."""

    http: int
    grpc: str


# The most specific class of an error's ancestry wins.
STATUS: dict[type[BaseException], Status] = {
    e.InvalidInput: Status(400, "INVALID_ARGUMENT"),
    e.InvalidPayload: Status(422, "INVALID_ARGUMENT"),
    e.Unauthenticated: Status(401, "UNAUTHENTICATED"),
    e.Forbidden: Status(403, "PERMISSION_DENIED"),
    e.NotFound: Status(404, "NOT_FOUND"),
    e.Conflict: Status(409, "FAILED_PRECONDITION"),
    e.TooLarge: Status(413, "RESOURCE_EXHAUSTED"),
    e.Unsupported: Status(501, "UNIMPLEMENTED"),
    e.Unavailable: Status(503, "UNAVAILABLE"),
    e.Overloaded: Status(503, "RESOURCE_EXHAUSTED"),
    e.BrokerRefused: Status(502, "ABORTED"),
    e.RequestTimeout: Status(504, "DEADLINE_EXCEEDED"),
    e.RemoteError: Status(502, "UNKNOWN"),
    e.DSkityError: Status(500, "INTERNAL"),
}

_INTERNAL = Status(500, "INTERNAL")


def status_of(error: BaseException) -> Status:
    """The row of the table for `error`; an error that is not ours is an internal one."""
    if isinstance(error, e.RemoteError):
        return next(
            (row for row in STATUS.values() if row.http == error.status),
            Status(error.status, "UNKNOWN"),
        )
    for cls in type(error).__mro__:
        if cls in STATUS:
            return STATUS[cls]
    return _INTERNAL


def problem_of(error: BaseException, **extensions: Any) -> dict[str, Any]:
    """RFC 9457 members `title`, `status`, `detail`, and `extensions` (such as `request_id`).

    The text of an error that is not ours stays inside: it may hold anything.
    """
    status = status_of(error)
    ours = isinstance(error, e.DSkityError)
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status.http).phrase if status.http in _PHRASES else "Error",
        "status": status.http,
        "detail": escape(text_of(error)) if ours else "an unexpected error; see the log",
    }
    if isinstance(error, e.InvalidPayload) and error.details:
        problem["errors"] = [_escaped(detail) for detail in error.details]
    return problem | extensions


def _escaped(value: Any) -> Any:
    """JSON values with their texts escaped: what a caller sent may be quoted in them."""
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, Mapping):
        return {_escaped(key): _escaped(one) for key, one in value.items()}
    return [_escaped(one) for one in value] if isinstance(value, list | tuple) else value


_PHRASES = frozenset(status.value for status in HTTPStatus)
