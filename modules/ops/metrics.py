"""`/metrics`: the bus's counters in Prometheus' text format (version 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from fastapi import APIRouter
from starlette.responses import PlainTextResponse

from dskity.bus.bus import Bus

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metric(NamedTuple):
    """One metric and its value now."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    value: float


def routes(bus: Bus) -> APIRouter:
    """The metrics page."""
    router = APIRouter(tags=["metrics"])

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        """The metrics as Prometheus scrapes them."""
        return PlainTextResponse(render(read(bus)), media_type=CONTENT_TYPE)

    return router


def read(bus: Bus) -> Iterator[Metric]:
    """The metrics of a bus."""
    counters = bus.counters
    yield Metric(
        "dskity_messages_received_total", "counter", "Messages from the broker.", counters.received
    )
    yield Metric(
        "dskity_messages_unrouted_total", "counter", "Messages that no route wanted.",
        counters.unrouted,
    )  # fmt: skip
    yield Metric(
        "dskity_messages_published_total", "counter", "Messages published.", counters.published
    )
    yield Metric("dskity_broker_connected", "gauge", "1 while connected.", int(bus.connected))
    yield Metric(
        "dskity_broker_connections_total", "counter", "Connections made.", bus.link.connections
    )
    yield Metric(
        "dskity_subscriptions", "gauge", "Subscriptions of handlers and streams.",
        len(bus.subscriptions),
    )  # fmt: skip


def render(metrics: Iterator[Metric]) -> str:
    """The text of some metrics."""
    return "".join(
        f"# HELP {metric.name} {metric.help}\n"
        f"# TYPE {metric.name} {metric.kind}\n"
        f"{metric.name} {metric.value}\n"
        for metric in metrics
    )
