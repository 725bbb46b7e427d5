"""The FastAPI app: what every call passes before it reaches a route."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.middleware import Middleware

from dskity.modules.http.guard import OPEN_PATHS, HttpGuard, OpenPath
from dskity.modules.http.limits import BodyLimit, Streams
from dskity.modules.http.problems import answer_errors_with_problems
from dskity.modules.http.request_id import RequestId
from dskity.modules.security import Guard


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the door: bytes of one body, and event streams at the same time."""

    body_bytes: int = 1024 * 1024
    streams: int = 100


def create_app(
    name: str,
    guard: Guard,
    limits: Limits | None = None,
    version: str = "0",
    open_paths: Iterable[OpenPath] = OPEN_PATHS,
) -> FastAPI:
    """An app without routes; modules add them, ours (`HttpModule`) as others do."""
    return furnish(FastAPI(title=name, version=version), guard, limits, open_paths)


def furnish(
    app: FastAPI,
    guard: Guard,
    limits: Limits | None = None,
    open_paths: Iterable[OpenPath] = OPEN_PATHS,
) -> FastAPI:
    """Make an app that nobody has called yet one of ours: guarded, bounded, its errors problems.

    Middleware and error handlers that it has stay, and stand outside of ours.
    """
    limits = limits or Limits()
    app.user_middleware.extend(
        (
            Middleware(RequestId),
            Middleware(HttpGuard, guard=guard, open_paths=open_paths),
            Middleware(BodyLimit, limit=limits.body_bytes),
        )
    )
    app.state.streams = Streams(limits.streams)
    answer_errors_with_problems(app)
    return app
