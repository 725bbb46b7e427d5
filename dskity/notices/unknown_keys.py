"""Keys of a module's settings that are not read: pydantic ignores what a model does not name.

Looked for before the module's model has taken its part of the settings, for then they are gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from dskity.config import DSkitySettings
from dskity.config.nearest import fix, nearest
from dskity.config.sections.modules import ModuleSettings
from dskity.modules.lifecycle.discovered import DiscoveredModule
from dskity.modules.lifecycle.hydrate import settings_model


def unknown_keys(settings: DSkitySettings, found: Iterable[DiscoveredModule]) -> list[str]:
    """A line for each such key of the modules that were `found`, with what was probably meant."""
    return [
        line
        for entry in found
        if entry.module is not None and entry.name in settings.modules
        for line in _of_module(entry, settings.modules[entry.name])
    ]


def _of_module(entry: DiscoveredModule, section: ModuleSettings) -> Iterator[str]:
    try:
        model = settings_model(entry.module, entry.name)
    except Exception:  # noqa: BLE001  # the module's own code; its start reports it
        return
    above = f"modules.{entry.name}"
    for key in section.model_extra or {}:
        meant = _misplaced(key, model)
        if meant is not None:
            yield f"{above}.{key}: did you mean {above}.{meant}?"
    if model is not None and isinstance(section.additional_settings, Mapping):
        yield from _unread(model, section.additional_settings, f"{above}.additional_settings")


def _misplaced(key: str, model: type[BaseModel] | None) -> str | None:
    """Other keys beside `additional_settings` are the module's own; these look like slips."""
    fields = _names(model) if model is not None else set()
    if key in fields:
        return f"additional_settings.{key}"
    own = nearest(key, [*ModuleSettings.model_fields])
    if own is not None:
        return own
    field = nearest(key, fields)
    return None if field is None else f"additional_settings.{field}"


def _unread(model: type[BaseModel], values: Mapping[str, Any], above: str) -> Iterator[str]:
    names = _names(model)
    for key, value in values.items():
        if key not in names and model.model_config.get("extra") in {None, "ignore"}:
            yield f"{above}.{key}: {model.__name__} has no such field; {fix(key, names)}"
        inner = _inner(model, key)
        if inner is not None and isinstance(value, Mapping):
            yield from _unread(inner, value, f"{above}.{key}")


def _names(model: type[BaseModel]) -> set[str]:
    """What a key may be: pydantic takes the aliases, and the names too where there is none."""
    names: set[str] = set()
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        choices = getattr(alias, "choices", [alias])
        names |= {one for one in choices if isinstance(one, str)}
        names |= {one.path[0] for one in choices if hasattr(one, "path")}
        if alias is None or model.model_config.get("populate_by_name"):
            names.add(name)
    return names


def _inner(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    field = model.model_fields.get(key)
    kind = None if field is None else field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
