"""What a call that fails leaves in the log."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from fastapi import FastAPI, Request
from starlette.responses import PlainTextResponse, Response

from dskity.process.logs import JsonFormatter
from tests.http.conftest import open_door
from tests.waiting import until


def broken(app: FastAPI) -> None:
    @app.get("/broken/{name}")
    async def broken(name: str) -> None:
        raise RuntimeError(f"the password is {name}")


async def test_the_request_id_of_a_500_is_in_the_one_line_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As text and as a field, with the traceback; a line break in the path forges no line."""
    async with open_door(prepare=broken) as door:
        response = await door.client.get("/broken/a%1bb", headers={"x-request-id": "r-1"})
    assert response.status_code == 500
    (record,) = (one for one in caplog.records if one.levelno >= logging.ERROR)
    assert record.getMessage() == "GET /broken/a\\x1bb failed, request id r-1"
    assert record.__dict__["request_id"] == "r-1"
    assert record.exc_info is not None
    assert json.loads(JsonFormatter().format(record))["request_id"] == "r-1"


async def test_a_users_own_handler_of_the_unexpected_answers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log has the id all the same."""

    def prepare(app: FastAPI) -> None:
        broken(app)

        @app.exception_handler(Exception)
        async def mine(request: Request, error: Exception) -> Response:
            return PlainTextResponse("mine", 500)

    async with open_door(prepare=prepare) as door:
        response = await door.client.get("/broken/x", headers={"x-request-id": "r-2"})
        assert response.text == "mine"
    assert "GET /broken/x failed, request id r-2" in caplog.text


async def test_an_upload_that_is_aborted_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """Of a route of ours: one line at INFO, without a traceback."""
    with caplog.at_level(logging.INFO):
        async with open_door() as door:
            _, writer = await asyncio.open_connection("127.0.0.1", door.server.port)
            writer.write(
                b"POST /topics/a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\nx"
            )
            await until(lambda: door.server._server.server_state.tasks, "the call")  # type: ignore[union-attr]
            writer.transport.abort()
            await until(
                lambda: "POST /topics/a: the caller disconnected" in caplog.text,
                "the line of the log",
            )
    assert "Traceback" not in caplog.text
    assert not [one for one in caplog.records if one.levelno > logging.INFO]
