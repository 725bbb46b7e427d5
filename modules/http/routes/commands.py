"""`/commands`: commands to devices, and their executions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Header, Query, Request
from pydantic import TypeAdapter
from starlette.responses import JSONResponse

from dskity.bus.errors import RemoteError
from dskity.modules.access.documented import json_object, responses
from dskity.modules.access.doors import closing
from dskity.modules.contract import Commands, Execution
from dskity.modules.http.caller import caller, documented_body, json_body
from dskity.modules.http.limits import Streams
from dskity.modules.http.outward import bad_reply, is_json
from dskity.modules.http.sse import EventStream, event

MAX_WAIT = 300.0  # seconds that one call may hold its connection
_UNDER_WAY = frozenset({"accepted", "sent", "in_progress"})
_ANY = TypeAdapter[Any](Any)
_EXECUTION = TypeAdapter(Execution)
_ACCEPTED = json_object("In progress; `Location` is the URL of the execution.") | {
    "headers": {"Location": {"schema": {"type": "string"}}}
}


def routes(commands: Commands, root: str, streams: Streams) -> APIRouter:
    """Commands under `/commands`; `root` is the bus's."""
    router = APIRouter(prefix="/commands", tags=["commands"])

    def require_execute(request: Request) -> None:
        caller(request).require_publish(f"{root}/commands/execute")

    def require_see(request: Request) -> None:
        caller(request).require_subscribe(f"{root}/commands/#")

    @router.post(
        "/{target}/{command}",
        openapi_extra=documented_body({}),
        responses={202: _ACCEPTED, **responses(404, 409, 502)},
    )
    async def execute(
        request: Request,
        target: str,
        command: str,
        wait: Annotated[float, Query(ge=0, le=MAX_WAIT)] = 0.0,
        ttl: Annotated[float | None, Query(gt=0)] = None,
        require_: Annotated[Literal["responder"] | None, Query(alias="require")] = None,
        idempotency_key: Annotated[str | None, Header()] = None,
    ) -> JSONResponse:
        """Send a command: 200 where it has ended within `wait` seconds, else 202 and `Location`."""
        require_execute(request)
        execution = await commands.execute(
            target,
            command,
            await json_body(request, _ANY) if await request.body() else None,
            wait=wait,
            ttl=ttl,
            idempotency_key=idempotency_key,
            require_responder=require_ is not None,
        )
        if execution.state in _UNDER_WAY:
            where = {"location": f"/commands/{quote(execution.id, safe='')}"}
            return JSONResponse(_shown(execution), HTTPStatus.ACCEPTED, where)
        return JSONResponse(_shown(execution))

    @router.get("")
    async def executions(
        request: Request, target: str | None = None, state: str | None = None
    ) -> dict[str, Any]:
        """The executions, newest first."""
        require_see(request)
        return {"executions": [_listed(found) for found in await commands.list(target, state)]}

    @router.get("/{execution}", responses=responses(404, 502))
    async def get(request: Request, execution: str) -> dict[str, Any]:
        """One execution."""
        require_see(request)
        return _shown(await commands.get(execution))

    @router.delete("/{execution}", responses=responses(404, 409, 502))
    async def cancel(request: Request, execution: str) -> dict[str, Any]:
        """Cancel; 409 where it has ended."""
        require_execute(request)
        return _shown(await commands.cancel(execution))

    @router.get(
        "/{execution}/events",
        status_code=200,
        response_class=EventStream,
        responses=responses(404),
    )
    async def watch(request: Request, execution: str) -> EventStream:
        """Its present state, then each change until it has ended; the state names the event."""
        require_see(request)
        await commands.get(execution)  # an unknown one is a 404, not an empty stream
        return EventStream(_changes(commands, execution), streams)

    return router


@asynccontextmanager
async def _changes(commands: Commands, execution: str) -> AsyncIterator[AsyncIterator[bytes]]:
    async with (
        closing(commands.watch(execution)) as changes,
        aclosing(event(one.state, _listed(one)) async for one in changes) as events,
    ):
        yield events


def _shown(execution: Execution) -> dict[str, Any]:
    """An execution as JSON; `RemoteError` where what its device said cannot be told as JSON."""
    if not is_json((execution.result, execution.error, execution.progress)):
        raise bad_reply(f"what {execution.target!r} answered to {execution.id} is not JSON")
    shown: dict[str, Any] = _EXECUTION.dump_python(execution, mode="json")
    return shown


def _listed(execution: Execution) -> dict[str, Any]:
    """As `_shown`; one device's answer does not hide all other executions."""
    try:
        return _shown(execution)
    except RemoteError as error:
        return _shown(replace(execution, result=None, error=dict(error.problem), progress=None))
