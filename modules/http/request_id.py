"""The id of an HTTP call: for its handlers, its response and the log."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dskity.modules.access.request_id import HEADER, request_id

_HEADER = HEADER.encode()

current: ContextVar[str | None] = ContextVar("dskity_request_id", default=None)
"""The id of the call that is being served, for the log."""


class RequestId:
    """ASGI middleware: `request.state.request_id`, the response header, and `current`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        id = request_id(_given(scope["headers"]))
        scope.setdefault("state", {})["request_id"] = id

        async def tagged(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (_HEADER, id.encode())]
            await send(message)

        before = current.set(id)
        try:
            await self._app(scope, receive, tagged)
        finally:
            current.reset(before)


def _given(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    return next((value.decode("latin-1") for name, value in headers if name == _HEADER), None)
