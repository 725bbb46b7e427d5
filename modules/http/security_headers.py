"""Headers that tell a browser how little it may do with what comes from here.

Whatever sets such a header itself keeps it: a module's page may need scripts from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Headers: TypeAlias = Iterable[tuple[bytes, bytes]]

_CSP = b"content-security-policy"
_ALWAYS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin"))
# `no-referrer` would take the `Origin` from the forms of our own pages too, and the guard needs it.
_NOTHING = b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_PAGE = b"object-src 'none'; base-uri 'self'; frame-ancestors 'none'"
"""For a page of a module, whose scripts and styles we do not know."""
_DOCS = (
    b"default-src 'none'; script-src 'unsafe-inline' https://cdn.jsdelivr.net; "
    b"style-src 'unsafe-inline' https://cdn.jsdelivr.net https://fonts.googleapis.com; "
    b"font-src https://fonts.gstatic.com; img-src data: https://fastapi.tiangolo.com "
    b"https://cdn.redoc.ly; worker-src blob:; connect-src 'self'; base-uri 'none'; "
    b"frame-ancestors 'none'"
)
"""For FastAPI's `/docs` and `/redoc`: what these pages load, and calls to this API."""

STRICT = (*_ALWAYS, (_CSP, _NOTHING))
"""For what is no page: an error, JSON, a stream."""
NO_SCRIPTS = {"content-security-policy": _NOTHING.decode()}
"""For a page of ours that is only text."""
SANDBOX = {"content-security-policy": (b"sandbox; " + _NOTHING).decode()}
"""For bytes that somebody else has made, whatever type they claim: no script runs in them."""


class SecurityHeaders:
    """ASGI middleware: adds them to each response; `docs` are the paths of the pages about the
    API."""

    def __init__(self, app: ASGIApp, docs: Iterable[str | None] = ()) -> None:
        self._app = app
        self._docs = frozenset(docs)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_docs = scope["path"] in self._docs

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _protected(list(message.get("headers", ())), is_docs=is_docs)
            await send(message)

        await self._app(scope, receive, protected)


def _protected(headers: list[tuple[bytes, bytes]], *, is_docs: bool) -> Headers:
    given = dict(headers)  # their names are in lower case ([ASGI] response start)
    page = _is_page(given.get(b"content-type", b""))
    wanted: Headers = (*_ALWAYS, (_CSP, _DOCS if is_docs else _PAGE)) if page else STRICT
    return headers + [pair for pair in wanted if pair[0] not in given]


@lru_cache(maxsize=64)
def _is_page(content_type: bytes) -> bool:
    kind = content_type.partition(b";")[0].strip().lower()
    return kind in {b"text/html", b"application/xhtml+xml", b"image/svg+xml"}
