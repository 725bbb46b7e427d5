"""What modules provide under a name each, for a part of DSkity to take up: metrics, presets of
webhooks, and key-value stores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, Protocol

from dskity.modules.providers.provision import extension_point


class Metric(NamedTuple):
    """One metric and its value now, or with `label` a value for each value of the label."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    value: float | Mapping[str, float]
    label: str = ""


@extension_point
class Metrics(Protocol):
    """Metrics of a module for `/metrics`: `clients.provide(Metrics, lambda: self.read, name="…")`.

    It is called at each scrape, on the event loop: it reads numbers and waits for nothing.
    """

    def __call__(self) -> Iterable[Metric]:
        """The metrics with their values now."""
        ...
