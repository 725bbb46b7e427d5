"""`POST /topics/{topic}`: publish a request's body as it stands."""

from __future__ import annotations

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from dskity.bus.bus import Bus
from dskity.modules.access.direct_route import add_direct_route, json_response
from dskity.modules.access.documented import json_object, responses
from dskity.modules.access.doors import publish_now
from dskity.modules.http.caller import (
    caller,
    documented_body,
    documented_query,
    query,
    request_id,
)
from dskity.modules.http.headers import content_type, message_headers


class Options(BaseModel):
    """The query: how to publish."""

    qos: int = 1
    retain: bool = False
    expires_in: float | None = None


_DEFAULTS = Options()
_ACCEPTED = json_object("The message is safe, or sent with QoS 0.")


def add_routes(app: FastAPI, bus: Bus) -> None:
    """Publishing."""

    async def publish(request: Request) -> Response:
        """Publish the body; 202 once it is safe (QoS ≥ 1), 503 at once where it cannot be."""
        topic = request.path_params["topic"]
        principal = caller(request)
        principal.require_publish(topic)
        options = query(request, Options) if request.scope["query_string"] else _DEFAULTS
        receipt = await publish_now(
            bus,
            topic,
            await request.body(),
            qos=options.qos,
            retain=options.retain,
            headers=message_headers(request.headers.raw),
            content_type=content_type(request.headers),
            expires_in=options.expires_in,
            request_id=request_id(request),
            may_publish=principal.may_publish,
        )
        return json_response(
            {
                "id": receipt.id,
                "topic": receipt.topic,
                "qos": receipt.qos,
                "accepted": receipt.accepted,
            }
        )

    add_direct_route(
        app,
        "/topics/{topic:path}",
        publish,
        tag="bus",
        documentation={
            **documented_query(Options),
            **documented_body(),
            "responses": {"202": _ACCEPTED, **responses(502)},
        },
    )
