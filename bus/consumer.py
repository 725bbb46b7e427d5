"""What receives messages below the bus: consumers, and the dispatcher that makes them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from dskity.bus.delivery import Delivery

if TYPE_CHECKING:
    from dskity.bus.base.threads import ThreadPool
    from dskity.bus.topics import Pattern

Accept: TypeAlias = Callable[[Delivery, Mapping[str, str]], None]
"""Takes a delivery and its captures, at once; calls `delivery.done()` when it is finished."""

AnyHandler: TypeAlias = Callable[..., Awaitable[Any] | Any]


B_contra = TypeVar("B_contra", contravariant=True)
"""The bus that a dispatcher makes consumers for: its handlers use it."""


class Consumer(Protocol):
    """One handler on one filter."""

    @property
    def qos(self) -> int:
        """The QoS to subscribe with."""
        ...

    @property
    def group(self) -> str | None:
        """The shared-subscription group, or None."""
        ...

    @property
    def best_effort(self) -> bool:
        """Whether to do without the group where the broker has none."""
        ...

    @property
    def answers(self) -> bool:
        """Whether it may answer a request."""
        ...

    def open(self) -> None:
        """It is subscribed from now on; after `drain`, again."""
        ...

    def accept(self, delivery: Delivery, captures: Mapping[str, str]) -> None:
        """See `Accept`."""
        ...

    async def drain(self) -> None:
        """It is subscribed no more: return when what was accepted is done."""
        ...


class Dispatcher(Protocol[B_contra]):
    """Turns handlers into consumers; `dskity.handlers` has the one in use."""

    @property
    def threads(self) -> ThreadPool:
        """Where handlers run that are no coroutine functions."""
        ...

    def consumer(
        self, bus: B_contra, pattern: Pattern, handler: AnyHandler, policy: Mapping[str, Any]
    ) -> Consumer:
        """Bind `handler`, or raise `InvalidHandler`; unknown options are refused too."""
        ...
