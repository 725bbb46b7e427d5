"""The module `webhooks`: `POST /webhooks/{source}`."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import Response

from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.errors import TooLarge
from dskity.bus.store.dedup_store import DedupStore
from dskity.modules.access.direct_route import Endpoint, add_direct_route, json_response
from dskity.modules.access.documented import json_object, responses
from dskity.modules.contract import Module, ModuleMeta, TransportClients
from dskity.modules.webhooks.intake import Intake, Outcome
from dskity.modules.webhooks.options import WebhookOptions
from dskity.modules.webhooks.presets import WebhookPreset
from dskity.modules.webhooks.source import Source
from dskity.modules.webhooks.sources import Sources

FILE = "webhooks.db"
_DOCUMENTATION = {
    "requestBody": {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}},
    "responses": {
        "200": json_object("A duplicate, or a test request of the sender."),
        "202": json_object("The message is safe on the bus."),
        **responses(404, 502),
    },
}


class WebhooksModule(Module):
    """`sources` are the settings under `webhooks`; bad ones raise `InvalidSettings` at once.

    The ids of deliveries are kept in `state_dir`, or in memory where it is None.
    """

    meta: ClassVar[ModuleMeta] = ModuleMeta(name="webhooks", base_path="/webhooks", version="1")

    def __init__(
        self,
        sources: Mapping[str, WebhookOptions],
        state_dir: Path | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._sources = Sources(sources)
        self._clock = clock
        self._seen = DedupStore(
            state_dir and state_dir / FILE,
            what="the record of webhook deliveries",
            keep=self._sources.longest_window,
            clock=clock,
        )

    def register(self, clients: TransportClients, config: Any) -> None:
        """Add the route, and the readiness check of presets that modules provide."""
        del config  # all that it needs came to the constructor
        self._sources.provided = lambda: clients.all(WebhookPreset)
        clients.provide(Sources, lambda: self._sources, ping=_check, name="webhooks")
        intake = Intake(clients.bus, self._seen, self._clock)
        add_direct_route(
            clients.http,
            "/webhooks/{source}",
            _endpoint(self._sources, intake),
            tag="webhooks",
            documentation=_DOCUMENTATION,
        )

    async def on_startup(self, clients: TransportClients) -> None:
        """Open the record of deliveries."""
        del clients
        await self._seen.open()

    async def on_shutdown(self, clients: TransportClients) -> None:
        """Close it."""
        del clients
        await self._seen.close()


async def _check(sources: Sources) -> None:
    """For readiness."""
    sources.check()


def _endpoint(sources: Sources, intake: Intake) -> Endpoint:
    async def receive(request: Request) -> Response:
        """202 once the delivery is safe on the bus; 200 where it was already."""
        found = sources.get(request.path_params["source"])
        body = await _body(request, found)
        outcome = await intake.take(found, request.headers, body, request.state.request_id)
        return _response(outcome)

    return receive


async def _body(request: Request, source: Source) -> bytes:
    """The raw body, read no further than the source's limit."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > source.max_body_bytes:
            raise TooLarge(
                f"the body is over {source.max_body_bytes} bytes, "
                f"which `webhooks.{source.name}.max_body_bytes` allows"
            )
    return bytes(body)


def _response(outcome: Outcome) -> Response:
    if outcome.answer is not None:
        return json_response(outcome.answer, HTTPStatus.OK)
    if outcome.duplicate:
        return json_response({"id": outcome.id, "duplicate": True}, HTTPStatus.OK)
    return json_response({"id": outcome.id, "topic": outcome.topic, "accepted": outcome.accepted})
