"""A line break in a path: no route can match it, and a 404 would not say why."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from dskity.bus.base.text import fault_in
from dskity.bus.errors import InvalidInput
from dskity.modules.http.problems import respond


class PathText:
    """ASGI middleware: answers 400. Other text that may not travel is for the routes to refuse:
    they know what it would have named."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "\n" in scope["path"]:
            error = InvalidInput(f"the path has {fault_in(scope['path'])}: leave it out")
            await respond(error, scope)(scope, receive, send)
        else:
            await self._app(scope, receive, send)
