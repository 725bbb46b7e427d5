"""What a route asks of its request: who calls, under which id, and what the body says."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import Request

from dskity.bus.message import decode_json
from dskity.modules.rights import Principal

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


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


def query(request: Request, model: type[M]) -> M:
    """The query as a model of its parameters; `RequestValidationError` as FastAPI's own."""
    try:
        return model.model_validate(dict(request.query_params))
    except ValidationError as error:
        faults = [{**fault, "loc": ("query", *fault["loc"])} for fault in error.errors()]
        raise RequestValidationError(faults) from error


def documented_query(query: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` of a route that reads its query itself."""
    schema = query.model_json_schema()
    needed = schema.get("required", ())
    parameters = [
        {"name": name, "in": "query", "required": name in needed, "schema": of}
        for name, of in schema["properties"].items()
    ]
    return {"parameters": parameters}


def documented_body(schema: dict[str, Any] | None = None) -> dict[str, Any]:
    """`openapi_extra` of a route that reads its body itself: bytes, or JSON of a schema."""
    content = (
        {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
        if schema is None
        else {"application/json": {"schema": schema}}
    )
    return {"requestBody": {"content": content}}
