"""`modules.<name>`: declared keys, free keys, and settings of the module's own."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from dskity.config import DSkitySettings


class Limits(BaseModel):
    warm: float = 28.0


def test_a_module_is_reached_by_key_and_by_attribute() -> None:
    """A name that is also a method of dict needs the key."""
    modules = DSkitySettings.isolated(modules={"health": {}, "items": {"enabled": False}}).modules
    assert modules.health is modules["health"]
    assert modules["items"].enabled is False
    with pytest.raises(AttributeError, match="no module 'absent' in the settings"):
        _ = modules.absent


def test_other_keys_are_free() -> None:
    """They are kept as they are written, also below `database`."""
    modules = DSkitySettings.isolated(
        modules={"a": {"unit": {"of": ["celsius"]}, "database": {"schema_name": "a"}}}
    ).modules
    assert modules.a.model_extra == {"unit": {"of": ["celsius"]}}
    assert modules.a.database.model_extra == {"schema_name": "a"}


def test_additional_settings_become_an_instance_once() -> None:
    """What the supervisor does before `register`."""
    modules = DSkitySettings.isolated(modules={"a": {"additional_settings": {"warm": 30}}}).modules
    assert modules.a.additional_settings == {"warm": 30}
    modules["a"].hydrate(Limits)
    hydrated = modules.a.additional_settings
    assert hydrated.warm == 30
    modules["a"].hydrate(Limits)
    assert modules.a.additional_settings is hydrated


def test_a_module_that_is_not_mentioned_gets_an_entry_of_its_own() -> None:
    """With the defaults, made once, and only in these settings."""
    settings = DSkitySettings.isolated()
    entry = settings.modules.entry("late")
    entry.hydrate(Limits)
    assert settings.modules.late.additional_settings.warm == 28
    assert settings.modules.entry("late") is entry
    assert "late" not in DSkitySettings.isolated().modules


def test_unset_additional_settings_are_an_empty_mapping() -> None:
    """Each module has its own."""
    modules = DSkitySettings.isolated(modules={"a": {}, "b": {}}).modules
    assert modules.a.additional_settings == {}
    assert modules.a.additional_settings is not modules.b.additional_settings
