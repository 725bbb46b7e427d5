"""The modules that the settings lead to, and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from dskity.bus.bus import Bus
from dskity.bus.errors import DSkityError
from dskity.composition.discovering import discovered
from dskity.composition.unconnected import unconnected_bus
from dskity.config import DSkitySettings
from dskity.handlers import declared
from dskity.modules.lifecycle.discovered import DiscoveredModule
from dskity.modules.lifecycle.failure import misdeclared
from dskity.modules.lifecycle.hydrate import hydrate
from dskity.modules.lifecycle.order import order
from dskity.modules.lifecycle.own_middleware import own_middleware
from dskity.modules.lifecycle.shape import meta_of
from dskity.modules.lifecycle.slips import slips
from dskity.notices.old_values import old_values
from dskity.notices.unknown_keys import unknown_keys
from dskity.notices.unknown_modules import BUILT_IN

State: TypeAlias = Literal["enabled", "disabled", "broken"]


@dataclass(frozen=True, slots=True)
class Row:
    """One module: where it is, and why it is broken if it is."""

    name: str
    state: State
    source: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Survey:
    """Every module of the search paths, with its state; and what is wrong without being a fault."""

    rows: list[Row]
    warnings: list[str]


def survey(settings: DSkitySettings) -> Survey:
    """Look at all of them; their handlers are bound as a start binds them."""
    found, off = discovered(settings), _off(settings)
    warnings = [*old_values(settings), *unknown_keys(settings, found)]
    warnings += [f"module {e.name}: {line}" for e in found if e.module for line in slips(e.module)]
    faults, bus = _dependency_faults(found), unconnected_bus(settings, found)
    rows = [_row(entry, off, faults.get(entry.name), settings, bus) for entry in found]
    return Survey(rows, warnings)


def _off(settings: DSkitySettings) -> set[str]:
    return {name for name, module in settings.modules.items() if not module.enabled}


def _row(
    entry: DiscoveredModule, off: set[str], fault: str | None, settings: DSkitySettings, bus: Bus
) -> Row:
    row = Row(entry.name, "enabled", entry.source)
    if entry.error is not None:
        reason = str(entry.error).removeprefix(f"module {entry.name!r}: ")
        return replace(row, state="broken", reason=reason)
    if entry.module is None or entry.name in off:
        return replace(row, state="disabled")
    try:
        hydrate(entry.module, entry.name, settings)
        own_middleware(entry.module, entry.name)
        _check_routes(entry, bus)
    except DSkityError as error:
        fault = str(error).removeprefix(f"module {entry.name!r}: ")
    return row if fault is None else replace(row, state="broken", reason=fault)


def _check_routes(entry: DiscoveredModule, bus: Bus) -> None:
    for route in declared(entry.module):
        try:
            bus.check(route.filter, route.handler, connection=route.connection, **route.policy)
        except DSkityError as error:
            raise misdeclared(entry.name, route.handler, error) from error


def _dependency_faults(found: list[DiscoveredModule]) -> dict[str, str]:
    needs: dict[str, tuple[str, ...]] = dict.fromkeys(BUILT_IN, ())
    for entry in found:
        needs[entry.name] = () if entry.module is None else meta_of(entry.module).depends_on
    return dict(order(needs).faults)
