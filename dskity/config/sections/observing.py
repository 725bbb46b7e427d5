"""`metrics`, `tracing` and `logging`: observing the runtime."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from dskity.config.sections.planned import Planned
from dskity.config.sections.section import Section
from dskity.config.sections.urls import HttpUrl


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


class MetricsSettings(Section):
    """Prometheus metrics at `/metrics`."""

    enabled: bool = True
    """Serve the metrics."""
    public: bool = False
    """Serve the metrics without a token."""


class TracingSettings(Planned):
    """OpenTelemetry traces; not implemented yet."""

    missing: ClassVar[str] = "there are no traces"

    enabled: bool = False
    """Record and send traces."""
    endpoint: HttpUrl = "http://127.0.0.1:4318"
    """OTLP/HTTP address of the collector."""
    sample_ratio: float = Field(default=1.0, ge=0, le=1)
    """Share of the traces to record."""


class LoggingSettings(Section):
    """The log, written to standard error."""

    level: Annotated[
        Literal["debug", "info", "warning", "error", "critical"], BeforeValidator(_lower)
    ] = "info"
    """Minimum level of a record."""
    format: Literal["text", "json"] = "text"
    """Readable text, or one JSON object on each line."""
