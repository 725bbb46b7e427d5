"""`/metrics`: the bus's counters in Prometheus' text format (version 0.0.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import TypeAlias

from fastapi import APIRouter
from starlette.responses import PlainTextResponse

from dskity.bus.base.tasks import TaskHealth
from dskity.bus.base.text import escape
from dskity.bus.base.throttled_log import Pace
from dskity.bus.bus import Bus
from dskity.modules.audit.counters import AccessCounters
from dskity.modules.extensions import Metric, Metrics
from dskity.modules.ops.provided_metrics import read_provided

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


Sources: TypeAlias = Callable[[], Mapping[str, Metrics]]


def routes(
    bus: Bus, health: TaskHealth, access: AccessCounters, sources: Sources = dict
) -> APIRouter:
    """The metrics page; `sources` tells what modules provide now."""
    pace = Pace(bus.clock)
    router = APIRouter(tags=["metrics"])

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        """The metrics as Prometheus scrapes them."""
        provided = read_provided(sources(), pace)
        figures = chain(read(bus, health), read_access(access), provided)
        return PlainTextResponse(render(figures), media_type=CONTENT_TYPE)

    return router


def read(bus: Bus, health: TaskHealth) -> Iterator[Metric]:
    """The metrics of a bus, and of the tasks of a runtime."""
    counters = bus.counters
    yield Metric(
        "dskity_messages_received_total", "counter", "Messages from the broker.", counters.received
    )
    yield Metric(
        "dskity_messages_unrouted_total", "counter", "Messages without a matching route.",
        counters.unrouted,
    )  # fmt: skip
    yield Metric(
        "dskity_messages_dropped_total", "counter",
        "QoS 0 messages that were dropped at the limits.",
        counters.dropped,
    )  # fmt: skip
    yield Metric(
        "dskity_messages_published_total", "counter", "Messages published.", counters.published
    )
    yield Metric(
        "dskity_replies_refused_total", "counter", "Replies whose topic is not allowed.",
        counters.replies_refused,
    )  # fmt: skip
    yield Metric("dskity_broker_connected", "gauge", "1 while connected.", int(bus.connected))
    yield Metric(
        "dskity_broker_connections_total", "counter", "Connections made.", bus.link.connections
    )
    yield Metric(
        "dskity_subscriptions", "gauge", "Subscriptions of handlers and streams.",
        len(bus.subscriptions),
    )  # fmt: skip
    yield Metric(
        "dskity_consumer_errors_total", "counter",
        "Exceptions of consumers below the handlers, such as streams and our own modules.",
        counters.consumer_errors,
    )  # fmt: skip
    yield Metric(
        "dskity_task_errors_total", "counter", "Unexpected errors of tasks, by task.",
        health.errors, "task",
    )  # fmt: skip
    yield Metric(
        "dskity_handler_threads", "gauge", "Threads of plain handlers.", bus.threads.threads
    )
    yield Metric(
        "dskity_handler_threads_overdue", "gauge",
        "Threads of plain handlers that exceed their time-out.", bus.threads.overdue,
    )  # fmt: skip


def read_access(access: AccessCounters) -> Iterator[Metric]:
    """Calls that the APIs have refused, and privileged calls that they allowed."""
    yield Metric(
        "dskity_wrong_tokens_total", "counter", "Calls with an unknown token.",
        access.wrong_tokens,
    )  # fmt: skip
    yield Metric(
        "dskity_calls_unauthenticated_total", "counter", "Calls without the required token.",
        access.unauthenticated,
    )  # fmt: skip
    yield Metric(
        "dskity_calls_denied_total", "counter", "Calls whose token lacks the right.", access.denied
    )
    yield Metric(
        "dskity_calls_privileged_total", "counter", "Calls that change data of the runtime.",
        access.privileged,
    )  # fmt: skip
    yield Metric(
        "dskity_audit_lines_lost_total", "counter", "Lines that the audit log could not write.",
        access.audit_lost,
    )  # fmt: skip


def render(metrics: Iterator[Metric]) -> str:
    """The text of some metrics."""
    return "".join(
        f"# HELP {metric.name} {escape(metric.help)}\n"
        f"# TYPE {metric.name} {metric.kind}\n"
        + "".join(f"{metric.name}{labels} {value}\n" for labels, value in _samples(metric))
        for metric in metrics
    )


def _samples(metric: Metric) -> Iterator[tuple[str, float]]:
    if not isinstance(metric.value, Mapping):
        yield "", metric.value
        return
    for name, value in sorted(metric.value.items()):
        yield f'{{{metric.label}="{_escaped(name)}"}}', value


def _escaped(text: str) -> str:
    """A label's value: control characters as we write them everywhere, then the format's own."""
    return escape(text).replace("\\", "\\\\").replace('"', '\\"')
