"""What a call that fails leaves behind: one line in the log, with the call's id, and an answer.

It stands before the framework's own net, which would log without the id, and log a caller that has
left in the middle of its upload as if something were broken.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dskity.bus.base.text import escape
from dskity.modules.http.problems import respond

_logger = logging.getLogger(__name__)


class Failures:
    """ASGI middleware. `answers_itself` tells whether the app has a handler of its own for what is
    unexpected: then the error goes on to it, logged."""

    def __init__(self, app: ASGIApp, answers_itself: Callable[[], bool]) -> None:
        self._app = app
        self._answers_itself = answers_itself

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except ClientDisconnect:
            _logger.info("%s: the caller disconnected before the end of its body", _called(scope))
        except Exception as error:
            id = scope.get("state", {}).get("request_id")
            _logger.exception(
                "%s failed, request id %s", _called(scope), id, extra={"request_id": id}
            )
            if started or scope["type"] != "http" or self._answers_itself():
                raise
            await respond(error, scope)(scope, receive, send)


def _called(scope: Scope) -> str:
    """The call for a log line, which no path can break or forge."""
    return f"{scope.get('method', scope['type'])} {escape(scope['path'])}"
