"""`POST /topics/{topic}`: publish a request's body as it stands."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from dskity.bus.bus import Bus
from dskity.modules.doors import publish_now
from dskity.modules.http.caller import caller, documented_body, request_id
from dskity.modules.http.headers import content_type, message_headers


def routes(bus: Bus) -> APIRouter:
    """Publishing."""
    router = APIRouter(tags=["bus"])

    @router.post("/topics/{topic:path}", status_code=202, openapi_extra=documented_body())
    async def publish(
        request: Request,
        topic: str,
        qos: int = 1,
        retain: bool = False,
        expires_in: float | None = None,
    ) -> JSONResponse:
        """Publish the body; 202 once it is safe (QoS ≥ 1), 503 at once where it cannot be."""
        caller(request).require_publish(topic)
        receipt = await publish_now(
            bus,
            topic,
            await request.body(),
            qos=qos,
            retain=retain,
            headers=message_headers(request.headers.raw),
            content_type=content_type(request.headers),
            expires_in=expires_in,
            request_id=request_id(request),
        )
        body = {
            "id": receipt.id,
            "topic": receipt.topic,
            "qos": receipt.qos,
            "accepted": receipt.accepted,
        }
        return JSONResponse(body, HTTPStatus.ACCEPTED)

    return router
