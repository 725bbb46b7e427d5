"""The modules that the settings lead to, and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from dskity.bus.errors import InvalidInput
from dskity.config import DSkitySettings
from dskity.modules.discovery import discover
from dskity.modules.found import Found
from dskity.modules.hydrate import hydrate
from dskity.modules.order import order
from dskity.modules.shape import meta_of
from dskity.unknown_modules import BUILT_IN

State: TypeAlias = Literal["enabled", "disabled", "broken"]


@dataclass(frozen=True, slots=True)
class Row:
    """One module: where it is, and why it is broken if it is."""

    name: str
    state: State
    source: str
    reason: str = ""


def find(settings: DSkitySettings) -> list[Found]:
    """What discovery finds; the modules that are enabled are imported, none is started."""
    return discover(
        settings.modules_search_paths,
        explicit="modules_search_paths" in settings.model_fields_set,
        disabled=_off(settings),
        writable_by_others=settings.modules_writable_by_others,
    )


def survey(settings: DSkitySettings) -> list[Row]:
    """Every module of the search paths, with its state."""
    found, off = find(settings), _off(settings)
    faults = _dependency_faults(found)
    return [_row(entry, off, faults.get(entry.name), settings) for entry in found]


def _off(settings: DSkitySettings) -> set[str]:
    return {name for name, module in settings.modules.items() if not module.enabled}


def _row(entry: Found, off: set[str], fault: str | None, settings: DSkitySettings) -> Row:
    row = Row(entry.name, "enabled", entry.source)
    if entry.error is not None:
        reason = str(entry.error).removeprefix(f"module {entry.name!r}: ")
        return replace(row, state="broken", reason=reason)
    if entry.module is None or entry.name in off:
        return replace(row, state="disabled")
    try:
        hydrate(entry.module, entry.name, settings)
    except InvalidInput as error:
        fault = str(error)
    return row if fault is None else replace(row, state="broken", reason=fault)


def _dependency_faults(found: list[Found]) -> dict[str, str]:
    needs: dict[str, tuple[str, ...]] = dict.fromkeys(BUILT_IN, ())
    for entry in found:
        needs[entry.name] = () if entry.module is None else meta_of(entry.module).depends_on
    return dict(order(needs).faults)
