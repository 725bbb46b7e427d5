"""What the parts of one route share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from dskity.bus.bus import Bus
from dskity.bus.delivery import Delivery
from dskity.handlers.binding import Captures
from dskity.handlers.route.stats import RouteStats

if TYPE_CHECKING:
    from dskity.handlers.policy import RoutePolicy
    from dskity.handlers.route.attempt import Attempts
    from dskity.handlers.worker_pool import WorkerPool

Item: TypeAlias = tuple[Delivery, Captures]
"""One message of a route, as it is queued."""


@dataclass(frozen=True, slots=True)
class RouteContext:
    """`name` is the handler's, for people. `done` ends a message, and is called once for each."""

    name: str
    policy: RoutePolicy
    bus: Bus
    pool: WorkerPool
    stats: RouteStats
    attempts: Attempts
    done: Callable[[Delivery], None]


@dataclass(frozen=True, slots=True)
class Failure:
    """A message that was not handled: the last error, and how many attempts there were. `dropped`
    is whether the handler or `on_invalid` wants it forgotten."""

    delivery: Delivery
    error: BaseException
    attempts: int
    dropped: bool
