"""The FastAPI app: what every call passes before it reaches a route."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from dskity.modules.access.request_id import HEADER
from dskity.modules.access.security import Guard
from dskity.modules.http import pydantic_v1
from dskity.modules.http.failures import Failures
from dskity.modules.http.guard import OPEN_PATHS, HttpGuard, OpenPath
from dskity.modules.http.limits import BodyBudget, BodyLimit, Streams
from dskity.modules.http.openapi import document_errors
from dskity.modules.http.path_text import PathText
from dskity.modules.http.problems import answer_errors_with_problems, answers_unexpected
from dskity.modules.http.request_id import RequestId
from dskity.modules.http.security_headers import SecurityHeaders

pydantic_v1.spare()


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bounds of the HTTP API: bytes of one body, of all bodies under way, and concurrent event
    streams."""

    body_bytes: int = 1024 * 1024
    bodies_bytes: int = 64 * 1024 * 1024
    streams: int = 100


@dataclass(frozen=True, slots=True)
class Cors:
    """Which web pages of other origins may call, and how; those of `origins` alone."""

    origins: tuple[str, ...]
    methods: tuple[str, ...] = ("GET",)
    headers: tuple[str, ...] = ()
    credentials: bool = False


def create_app(
    name: str,
    guard: Guard,
    limits: HttpLimits | None = None,
    version: str = "0",
    open_paths: Iterable[OpenPath] = OPEN_PATHS,
    cors: Cors | None = None,
) -> FastAPI:
    """An app without routes; modules add them, ours (`HttpModule`) as others do."""
    app = furnish(FastAPI(title=name, version=version), guard, limits, open_paths, cors)
    app.state.first_route = 0  # also in front of what FastAPI adds, the pages about the API
    return app


def furnish(
    app: FastAPI,
    guard: Guard,
    limits: HttpLimits | None = None,
    open_paths: Iterable[OpenPath] = OPEN_PATHS,
    cors: Cors | None = None,
) -> FastAPI:
    """Make an app that has not been called yet one of ours: guarded, bounded, its errors problems.

    Middleware and error handlers that it has stay, and stand outside of ours.
    """
    limits = limits or HttpLimits()
    app.user_middleware.extend(
        (
            Middleware(RequestId),
            Middleware(SecurityHeaders, docs=(app.docs_url, app.redoc_url)),
            Middleware(Failures, answers_itself=lambda: not answers_unexpected(app)),
            *_cross_origin(cors),
            Middleware(HttpGuard, guard=guard, open_paths=open_paths),
            Middleware(PathText),
            Middleware(BodyLimit, limit=limits.body_bytes, budget=BodyBudget(limits.bodies_bytes)),
        )
    )
    app.state.guard = guard
    app.state.streams = Streams(limits.streams)
    app.state.first_route = len(app.router.routes)
    answer_errors_with_problems(app)
    document_errors(app)
    return app


def _cross_origin(cors: Cors | None) -> Iterable[Middleware]:
    """In front of the guard: a preflight carries no token, and a page has to be able to read why
    a call was refused."""
    if cors is not None:
        yield Middleware(
            CORSMiddleware,
            allow_origins=cors.origins,
            allow_methods=cors.methods,
            allow_headers=cors.headers,
            allow_credentials=cors.credentials,
            expose_headers=(HEADER,),
        )
