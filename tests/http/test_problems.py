from __future__ import annotations

import logging

import pytest
from fastapi import FastAPI, HTTPException

from dskity.bus.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    RemoteError,
    StoreUnavailable,
    TooLarge,
    Unsupported,
)
from tests.http.conftest import Door, open_door


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidInput("x"), 400),
        (Forbidden("x"), 403),
        (NotFound("x"), 404),
        (Conflict("x"), 409),
        (TooLarge("x"), 413),
        (Unsupported("x"), 501),
        (StoreUnavailable("x", retry_after=2.5), 503),
    ],
)
async def test_our_errors_are_problems_of_the_one_table(
    door: Door, error: Exception, status: int
) -> None:
    """RFC 9457, with the request's id; also in routes of user modules."""

    @door.app.get("/mine")
    async def mine() -> None:
        raise error

    response = await door.client.get("/mine", headers={"x-request-id": "r-1"})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem.pop("title")
    assert problem == {
        "type": "about:blank",
        "status": status,
        "detail": "x",
        "request_id": "r-1",
    }
    assert response.headers.get("retry-after") == ("3" if status == 503 else None)


async def test_an_unexpected_error_hides_what_it_says_and_logs_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """500 to the caller, the traceback to the log, the door goes on."""

    def prepare(app: FastAPI) -> None:
        @app.get("/broken")
        async def broken() -> None:
            raise RuntimeError("the password is x")

    async with open_door(prepare=prepare) as door:
        with caplog.at_level(logging.ERROR, "uvicorn.error"):
            response = await door.client.get("/broken", headers={"x-request-id": "r-1"})
        assert response.status_code == 500
        assert response.headers["x-request-id"] == "r-1"
        assert "password" not in response.text
        assert response.json()["request_id"] == "r-1"
        assert "the password is x" in caplog.text
        assert (await door.client.get("/")).status_code == 200


async def test_what_the_framework_refuses_is_a_problem_too(door: Door) -> None:
    """Unknown paths, methods that a path has not, values of the wrong type."""
    missing = await door.client.get("/nowhere")
    assert missing.status_code == 404
    assert missing.json()["detail"] == "nothing is at GET /nowhere"

    wrong = await door.client.delete("/")
    assert wrong.status_code == 405
    assert wrong.headers["allow"] == "GET"
    assert wrong.json()["title"] == "Method Not Allowed"

    invalid = await door.client.get("/stream")
    assert invalid.status_code == 422
    assert invalid.json()["detail"] == "query.filter: Field required"
    assert invalid.json()["errors"] == [
        {"loc": ["query", "filter"], "msg": "Field required", "type": "missing"}
    ]


async def test_a_users_http_exception_keeps_its_detail_and_headers(door: Door) -> None:
    """As FastAPI's users write them, whatever JSON the detail is."""

    @door.app.get("/tea")
    async def tea() -> None:
        raise HTTPException(418, {"pot": "short"}, {"x-pot": "1"})

    @door.app.get("/gone")
    async def gone() -> None:
        raise HTTPException(404, "no such pot")

    response = await door.client.get("/tea")
    assert response.status_code == 418
    assert response.headers["x-pot"] == "1"
    assert response.json()["info"] == {"pot": "short"}
    assert (await door.client.get("/gone")).json()["detail"] == "no such pot"


async def test_a_remote_status_that_is_none_becomes_502(door: Door) -> None:
    """A responder can write any number."""

    @door.app.get("/remote")
    async def remote() -> None:
        raise RemoteError("odd", 70_000, {"detail": "odd", "status": 70_000})

    response = await door.client.get("/remote")
    assert response.status_code == 502
    assert response.json()["status"] == 502
