"""What the reserve of connections is for: `/health` is answered, all else is 503."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dskity.bus.errors import Overloaded
from dskity.modules.http.guard import HEALTH
from dskity.modules.http.problems import respond

_CLOSE = (b"connection", b"close")


def health_only(app: ASGIApp) -> ASGIApp:
    """The app as a connection of the reserve sees it, for one request."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def last(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), _CLOSE]
            await send(message)

        if HEALTH.admits(scope.get("method", ""), scope["path"]):
            await app(scope, receive, last)
        else:
            error = Overloaded(
                "too many connections, in all or from this address: see `http.max_connections` "
                "and `http.max_connections_per_address`"
            )
            await respond(error, scope)(scope, receive, last)

    return answer
