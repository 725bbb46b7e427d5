"""The guard of the HTTP API: every route asks for a caller, also those that user modules add.

It stands before routing, so no route can be forgotten. Open without a token are `OPEN_PATHS` alone:
reading `/health`, which orchestrators do, and posting to `/webhooks`, which carry signatures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from dskity.bus.errors import Unauthenticated
from dskity.modules.access.loopback import belongs_to_us, is_forwarding_header
from dskity.modules.access.security import Guard
from dskity.modules.audit.call import Call
from dskity.modules.http.problems import respond
from dskity.modules.http.wire.connections import PLACE, Place
from dskity.modules.rights import Principal

_READ = frozenset({"GET", "HEAD"})
_ELSEWHERE = frozenset({"cross-site", "same-site"})  # the latter: another port of this very host
_UNTOLD = "null"  # RFC 6454 7.3: the origin that is not told
_PROXIES = "1.0"  # the HTTP that nginx and others speak to what is behind them
_POLICY_VIOLATION = 1008  # RFC 6455 7.4.1; before the handshake it becomes a 403


@dataclass(frozen=True, slots=True)
class OpenPath:
    """A path, and all below it, that needs no token for these methods."""

    path: str
    methods: frozenset[str] = _READ
    tells_more: bool = False
    """Whether it asks who calls all the same, because it tells more to those it knows."""

    def admits(self, method: str, path: str) -> bool:
        """Whether a call to `path` is open."""
        below = path.startswith(self.path) and path[len(self.path) :][:1] in {"", "/"}
        return below and method in self.methods


HEALTH = OpenPath("/health")
OPEN_PATHS = (
    OpenPath("/health/ready", tells_more=True),
    HEALTH,
    OpenPath("/webhooks", frozenset({"POST"})),
)


class HttpGuard:
    """ASGI middleware: sets `request.state.principal`, or answers 401 (a wrong token, later)."""

    def __init__(self, app: ASGIApp, guard: Guard, open_paths: Iterable[OpenPath]) -> None:
        self._app = app
        self._guard = guard
        self._open_paths = tuple(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"}:
            try:
                self._admit(scope, self._open_path(scope))
            except Unauthenticated as error:
                await self._guard.access.refused(error, _call(scope))
                await _refuse(error, scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _admit(self, scope: Scope, open_path: OpenPath | None) -> None:
        """Set the caller; on an open path if it tells more to those it knows, and there is one."""
        access = self._guard.access
        if open_path is not None and not (open_path.tells_more and access.may_try(_peer(scope))):
            return
        try:
            principal = self._authorize(scope)
        except Unauthenticated as error:
            if open_path is None:
                raise
            if error.wrong_token:
                access.note_refused(error, _call(scope))
            return
        state = scope.setdefault("state", {})
        state["principal"] = access.watched(principal, _call(scope))

    def _open_path(self, scope: Scope) -> OpenPath | None:
        method, path = scope.get("method", ""), scope["path"]
        return next((one for one in self._open_paths if one.admits(method, path)), None)

    def _authorize(self, scope: Scope) -> Principal:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        return self._guard.authorize(
            _bearer(headers.get("authorization")),
            _peer(scope),
            headers.get("host"),
            scope.get("http_version") == _PROXIES or any(map(is_forwarding_header, headers)),
            _origin(headers),
            lambda: _belongs_to_us(scope),
        )


def _peer(scope: Scope) -> str | None:
    return scope["client"][0] if scope.get("client") else None


def _call(scope: Scope) -> Call:
    method = scope.get("method", "WebSocket")
    return Call(method, scope["path"], _peer(scope), scope.get("state", {}).get("request_id"))


def in_process(app: ASGIApp) -> ASGIApp:
    """The app for calls from within this process, such as a test's: no socket tells whose they are,
    and they are ours."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            place = Place("", 0.0, lambda: None, health_only=False)
            place.is_ours = True
            scope["state"] = {**scope.get("state", {}), PLACE: place}
        await app(scope, receive, send)

    return call


def _belongs_to_us(scope: Scope) -> bool:
    """Whether the peer's socket is of our user or of root; asked once for each connection."""
    place = scope.get("state", {}).get(PLACE)
    if place is not None and place.is_ours is not None:
        return bool(place.is_ours)
    server = scope.get("server")
    ours = (
        server is not None
        and server[1] is not None
        and belongs_to_us(tuple(scope["client"]), tuple(server))
    )
    if place is not None:
        place.is_ours = ours
    return ours


def _origin(headers: Mapping[str, str]) -> str | None:
    """Where the page that calls came from; None where no page does, or a person followed its link.

    For what a page gets and cannot read (an image, a frame) a browser sends no `Origin`, but it
    says that it is another one (W3C Fetch Metadata).
    """
    origin = headers.get("origin")
    if origin is None and headers.get("sec-fetch-site") in _ELSEWHERE:
        followed = (headers.get("sec-fetch-user"), headers.get("sec-fetch-dest"))
        return None if followed == ("?1", "document") else _UNTOLD
    return origin


def _bearer(authorization: str | None) -> str | None:
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated("write `Authorization: Bearer …` with a token")
    return token.strip()


async def _refuse(error: Unauthenticated, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": str(error)})
    else:
        response = respond(error, scope, {"www-authenticate": "Bearer"})
        await response(scope, receive, send)
