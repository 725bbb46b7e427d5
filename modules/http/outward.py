"""What a device has said, on its way out over HTTP: where HTTP or JSON cannot carry it, the device
is at fault, and the call is a 502 problem."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse

from dskity.bus.errors import RemoteError
from dskity.bus.message import Message
from dskity.modules.http.headers import response_headers

_BAD_GATEWAY = 502


def bad_reply(detail: str) -> RemoteError:
    """A reply that cannot be sent on."""
    return RemoteError(
        detail, _BAD_GATEWAY, {"title": "Bad Gateway", "status": _BAD_GATEWAY, "detail": detail}
    )


def reply_headers(reply: Message) -> dict[str, str]:
    """A reply's headers; `RemoteError` where their text is no Unicode."""
    try:
        return response_headers(reply)
    except UnicodeEncodeError as error:
        raise bad_reply(f"the reply's headers or content type are no text: {error}") from error


def is_json(value: Any) -> bool:
    """Whether a response can carry `value`: no NaN, no infinity, no lone surrogates, no endless
    depth."""
    try:
        JSONResponse(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True
