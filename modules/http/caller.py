"""What a route asks of its request: who calls, under which id, and what the body says."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from pydantic import TypeAdapter
from starlette.requests import Request

from dskity.bus.message import decode_json
from dskity.modules.security import Principal

T = TypeVar("T")


def caller(request: Request) -> Principal:
    """Who calls; the guard has set it."""
    return cast("Principal", request.state.principal)


def request_id(request: Request) -> str:
    """The call's id."""
    return cast("str", request.state.request_id)


async def json_body(request: Request, adapter: TypeAdapter[T]) -> T:
    """The body as JSON, whatever its content type says; `InvalidPayload` where it is refused.

    `curl -d` calls JSON a form, and refusing it would help nobody.
    """
    return decode_json("body", await request.body(), adapter)


def documented_body(schema: dict[str, Any] | None = None) -> dict[str, Any]:
    """`openapi_extra` of a route that reads its body itself: bytes, or JSON of a schema."""
    content = (
        {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
        if schema is None
        else {"application/json": {"schema": schema}}
    )
    return {"requestBody": {"content": content}}
