"""The OpenAPI document tells each status that the running app gives, with its content type."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from dskity.modules.ops import OpsModule
from dskity.modules.webhooks import WebhookOptions, WebhooksModule
from tests.http.conftest import Door, clients_of, open_door

CHECKS = [
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
NO_BROKEN_SERVER = {503, 504}  # nobody replies; a stream too many
STREAMS = {"/stream", "/commands/{execution}/events"}  # one that is open has no end


@pytest.fixture
async def whole_door() -> AsyncIterator[Door]:
    """All built-in modules with routes."""
    async with open_door() as door:
        await prepare(door)
        yield door


async def prepare(door: Door) -> None:
    """The modules beside `http`."""
    clients = clients_of(door.house, door.app)
    hooks = WebhooksModule({"any": WebhookOptions(preset="none", topic="hooks/any")})
    for module in (OpsModule({}), hooks):
        module.register(clients, {})
    await hooks.on_startup(clients)


def call_all(base_url: str, document: dict[str, Any], examples: int) -> None:
    """Each operation with examples that its document makes, the same each time."""
    schema = schemathesis.openapi.from_dict(document)
    with requests.Session() as session:
        for found in schema.get_all_operations():
            operation: Any = found
            operation = operation.ok()
            if operation.path not in STREAMS:
                _call(operation, base_url, session, examples)


def _call(operation: Any, base_url: str, session: requests.Session, examples: int) -> None:
    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def run(case: Any) -> None:
        if case.query and "timeout" in case.query:
            case.query["timeout"] = 0.01  # an answer that does not come is one too
        if case.query and "wait" in case.query:
            case.query["wait"] = 0
        response = case.call(base_url=base_url, session=session, timeout=10)
        case.validate_response(response, checks=CHECKS)
        if response.status_code not in NO_BROKEN_SERVER:
            case.validate_response(response, checks=[not_a_server_error])

    run()


async def check(door: Door, examples: int) -> None:
    base_url = str(door.client.base_url)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the generator, on what it makes itself
        await asyncio.to_thread(call_all, base_url, door.app.openapi(), examples)


async def test_no_call_is_answered_with_what_is_not_documented(whole_door: Door) -> None:
    """Nor with a 5xx, but for what is true: no reply in time."""
    await check(whole_door, 10)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_no_call_of_many_is_answered_with_what_is_not_documented(whole_door: Door) -> None:
    """As above, with more examples."""
    await check(whole_door, 300)


async def test_errors_are_documented_as_problems(door: Door) -> None:
    """Of users' routes too, in place of the 422 of the framework, which nobody answers here."""

    @door.app.get("/mine")
    async def mine(number: int) -> int:
        return number

    told = door.app.openapi()["paths"]["/mine"]["get"]["responses"]
    assert {"200", "400", "401", "403", "408", "413", "422", "500", "503"} <= set(told)
    assert list(told["422"]["content"]) == ["application/problem+json"]
    assert door.app.openapi() is door.app.openapi()
