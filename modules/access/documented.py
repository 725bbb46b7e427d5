"""What routes say of themselves in OpenAPI, beyond what FastAPI reads off their signatures."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from dskity.bus.problem import PROBLEM_TYPE

PROBLEM = "Problem"
"""The name of the schema of every error; the app's document defines it."""


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route that answers these statuses with a problem."""
    content = {PROBLEM_TYPE: {"schema": {"$ref": f"#/components/schemas/{PROBLEM}"}}}
    return {
        str(status): {"description": HTTPStatus(status).phrase, "content": content}
        for status in statuses
    }


def json_object(description: str) -> dict[str, Any]:
    """A response that is a JSON object."""
    content = {"application/json": {"schema": {"type": "object"}}}
    return {"description": description, "content": content}
