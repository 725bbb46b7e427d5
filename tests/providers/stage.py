"""Types that test modules provide, and modules that do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dskity.modules import Module, ModuleMeta, TransportClients, on


class Limiter:
    """Something that a handler wants, and pydantic cannot validate."""

    def __init__(self, log: list[str] | None = None) -> None:
        self.log = log if log is not None else []
        self.calls = 0


class Offers(Module):
    """Provides what `offer` says."""

    def __init__(self, name: str, offer: Callable[[TransportClients], None]) -> None:
        self.meta = ModuleMeta(name)  # type: ignore[misc]  # of this instance
        self._offer = offer

    def register(self, clients: TransportClients, config: Any) -> None:
        self._offer(clients)


class Uses(Module):
    """A handler that wants a `Limiter`."""

    meta = ModuleMeta("uses")

    def __init__(self, *depends_on: str) -> None:
        self.meta = ModuleMeta("uses", "", depends_on)  # type: ignore[misc]  # of this instance
        self.got: list[Limiter] = []

    @on("things/{thing}")
    async def handle(self, reading: dict[str, int], limiter: Limiter, thing: str) -> None:
        limiter.calls += 1
        self.got.append(limiter)


def limiter(made: Limiter) -> Callable[[TransportClients], None]:
    """Provides this one."""
    return lambda clients: clients.provide(Limiter, lambda: made)
