"""A bus that is never started: handlers are bound to it as to a real one, and nothing is opened."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import PydanticUserError, TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError

from dskity.bus.bus import Bus
from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.bus.store.dedup_store import DedupStore
from dskity.bus.store.spool import Spool
from dskity.config import DSkitySettings
from dskity.config.sections.connections import DEFAULT
from dskity.handlers import Dispatcher
from dskity.modules.contract import KV, Commands, Registry
from dskity.modules.lifecycle.discovered import DiscoveredModule

_OURS = (KV, Registry, Commands, DSkitySettings)
_PROVIDES = ".provide("
"""What the source of a module has in it that provides a type."""


def unconnected_bus(settings: DSkitySettings, found: Iterable[DiscoveredModule] = ()) -> Bus:
    """The default one; those of `mqtt` are reachable from it by name. `found` are the modules that
    may provide types."""
    provided = _Assumed(any(_may_provide(entry) for entry in found))
    bus = _bus(settings, provided)
    bus.add_connection(DEFAULT, bus)
    for name in settings.mqtt:
        bus.add_connection(name, _bus(settings, provided))
    return bus


def _bus(settings: DSkitySettings, provided: _Assumed) -> Bus:
    state_dir = settings.state_dir
    dispatcher = Dispatcher(
        inbox=Spool(state_dir / "inbox.db", what="the inbox"),
        seen=DedupStore(
            state_dir / "seen.db",
            what="the record of handled keys",
            keep=settings.bus.dedupe_max_window_seconds,
        ),
    )
    dispatcher.inject(provided)
    return Bus(MemoryTransport(MemoryBroker(), "unconnected"), dispatcher, root=settings.bus.root)


class _Assumed(Mapping[type, Any]):
    """Binding looks at types alone; that there is no value would show when a handler runs.

    What the modules provide is known only at a start. Where `others` may be provided, a class that
    cannot be a payload is taken for one of these.
    """

    def __init__(self, others: bool) -> None:
        self._others = others

    def seen_by(self, owner: str) -> Mapping[type, Any]:
        """See `handlers.provided.Injectables`."""
        del owner
        return self

    def __getitem__(self, kind: type) -> Any:
        named = (kind.__module__, kind.__qualname__) == ("httpx", "AsyncClient")
        if kind in _OURS or named or (self._others and not _can_be_payload(kind)):
            return None
        raise KeyError(kind)

    def __iter__(self) -> Iterator[type]:
        return iter(_OURS)

    def __len__(self) -> int:
        return len(_OURS)


@cache
def _can_be_payload(kind: type) -> bool:
    try:
        TypeAdapter(kind)
    except (PydanticSchemaGenerationError, PydanticUserError):
        return False
    return True


def _may_provide(entry: DiscoveredModule) -> bool:
    """Whether the code of a module that was imported calls `provide`."""
    home = entry.home or type(entry.module).__module__
    code = [m for name, m in tuple(sys.modules.items()) if f"{name}.".startswith(f"{home}.")]
    return entry.module is not None and any(_PROVIDES in _source(module) for module in code)


def _source(module: Any) -> str:
    try:
        return inspect.getsource(module)
    except (OSError, TypeError):  # it has none that can be read
        return _PROVIDES
