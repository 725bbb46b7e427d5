"""`POST /requests/{topic}`: publish a request and answer with its reply."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from dskity.bus import envelope
from dskity.bus.bus import Bus
from dskity.modules.access.documented import responses
from dskity.modules.access.doors import REQUEST_ID, require_broker
from dskity.modules.http.caller import caller, documented_body, request_id
from dskity.modules.http.headers import content_type, message_headers
from dskity.modules.http.outward import reply_headers
from dskity.modules.http.security_headers import SANDBOX

_REPLY = {
    "description": "The reply, with its own content type.",
    "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
}
MAX_TIMEOUT = 300.0  # seconds that one call may hold its connection


def routes(bus: Bus) -> APIRouter:
    """Request and reply."""
    router = APIRouter(tags=["bus"])

    @router.post(
        "/requests/{topic:path}",
        openapi_extra=documented_body(),
        response_class=Response,
        responses={200: _REPLY, **responses(404, 409, 500, 501, 502, 504)},
    )
    async def ask(
        request: Request,
        topic: str,
        timeout: Annotated[float, Query(gt=0, le=MAX_TIMEOUT)] = 5.0,
        qos: int = 1,
    ) -> Response:
        """The reply's body, content type and headers; 504 without a reply in time."""
        caller(request).require_publish(topic)
        body = await request.body()
        require_broker(bus)
        reply = await bus.request(
            topic,
            envelope.plain(body),  # the reply is for this call, and nowhere else
            timeout=timeout,
            qos=qos,
            headers={**message_headers(request.headers.raw), REQUEST_ID: request_id(request)},
            content_type=content_type(request.headers),
        )
        return Response(reply.payload, headers={**SANDBOX, **reply_headers(reply)})

    return router
