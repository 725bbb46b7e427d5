"""Routes for calls that come by the thousand: FastAPI documents them and is passed by when they
run, because solving their parameters would cost more than what they do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, TypeAlias

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import Receive, Scope, Send

NOTHING: Mapping[str, Any] = MappingProxyType({})
Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


class DirectRoute(APIRoute):
    """Calls its endpoint with the `Request` and sends the `Response` that it returns."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a call that matches; 405 for another method."""
        if scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)
            return
        response = await self.endpoint(Request(scope, receive, send))
        await response(scope, receive, send)


def json_response(body: Mapping[str, Any], status: int = HTTPStatus.ACCEPTED) -> Response:
    """An answer in JSON."""
    return Response(to_json(body), status, media_type="application/json")


def add_direct_route(
    app: FastAPI,
    path: str,
    endpoint: Endpoint,
    *,
    tag: str,
    documentation: Mapping[str, Any] = NOTHING,
) -> None:
    """Serve `POST path` by `endpoint`, which answers 202; `documentation` is of OpenAPI, beside the
    parameters in the path.

    It goes in front of all but the routes of a user's own app: each that a call passes by costs it.
    """
    routes = app.router.routes
    query = documentation.get("parameters", ())
    app.router.add_api_route(
        path,
        endpoint,
        methods=["POST"],
        status_code=202,
        tags=[tag],
        openapi_extra={**documentation, "parameters": [*_in_path(path), *query]},
        response_model=None,
        route_class_override=DirectRoute,
    )
    routes.insert(app.state.first_route, routes.pop())


def _in_path(path: str) -> Iterator[dict[str, Any]]:
    for name in compile_path(path)[2]:
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
