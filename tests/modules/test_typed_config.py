"""`config` in `register` is typed: `Module[Settings]` and `ModuleConfig[Settings]`."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, assert_type

import pytest
from pydantic import BaseModel

from dskity import DSkitySettings, Module, ModuleConfig, ModuleMeta, TransportClients
from dskity.config.sections.kv import KvSettings
from dskity.modules.lifecycle.hydrate import hydrate

S = TypeVar("S", bound=BaseModel)
NO_CLIENTS: Any = None


class ThermostatSettings(BaseModel):
    """`modules.thermostat.additional_settings`."""

    celsius: float = 20.0


class Thermostat(Module[ThermostatSettings]):
    """mypy (strict, in `scripts/check`) reads the assertions; so does this file's run."""

    meta = ModuleMeta("thermostat")

    def register(self, clients: TransportClients, config: ModuleConfig[ThermostatSettings]) -> None:
        del clients
        assert_type(config.settings, ThermostatSettings)
        assert_type(config.settings.celsius, float)
        assert_type(config.kv, KvSettings)
        self.celsius = config.settings.celsius
        self.config = config


class Base(Module[S], Generic[S]):
    """A base of one's own."""


class Derived(Base[ThermostatSettings]):
    meta = ModuleMeta("thermostat")


class Plain(Module):
    """Without a model, as before; a typed `config` may be all settings."""

    meta = ModuleMeta("plain")

    def register(self, clients: TransportClients, config: DSkitySettings) -> None:
        del clients
        self.settings = config.modules.plain.additional_settings


@dataclass(frozen=True)
class Frozen(Module[ThermostatSettings]):
    """A frozen dataclass, as DSkity 1 lays modules out."""

    meta: ModuleMeta = Thermostat.meta  # type: ignore[misc]  # a field in DSkity 1


class Method(Module):
    meta = ModuleMeta("thermostat")

    def additional_settings_model(self) -> type[ThermostatSettings]:
        return ThermostatSettings


def settings_of(tmp_path: Path, **celsius: float) -> DSkitySettings:
    thermostat = {"additional_settings": celsius}
    return DSkitySettings.isolated(state_dir=tmp_path, modules={"thermostat": thermostat})


def config_of(settings: DSkitySettings, module: Module) -> ModuleConfig[Any]:
    """As a start makes it."""
    hydrate(module, module.meta.name, settings)
    return settings.for_module(module.meta.name)


@pytest.mark.parametrize("cls", [Thermostat, Derived, Frozen, Method])
def test_the_model_in_the_brackets_is_that_of_the_settings(tmp_path: Path, cls: type) -> None:
    config = config_of(settings_of(tmp_path, celsius=21.5), cls())
    assert config.settings == ThermostatSettings(celsius=21.5)
    assert config.settings is config.modules.thermostat.additional_settings


def test_defaults_stand_where_nothing_is_set(tmp_path: Path) -> None:
    settings = DSkitySettings.isolated(state_dir=tmp_path)
    thermostat = Thermostat()
    thermostat.register(NO_CLIENTS, config_of(settings, thermostat))
    assert thermostat.celsius == 20.0


def test_without_a_model_settings_are_a_free_mapping(tmp_path: Path) -> None:
    plain = Plain()
    assert plain.additional_settings_model() is None
    settings = DSkitySettings.isolated(
        state_dir=tmp_path, modules={"plain": {"additional_settings": {"a": 1}}}
    )
    config = config_of(settings, plain)
    plain.register(NO_CLIENTS, config)
    assert config.settings == plain.settings == {"a": 1}


def test_a_module_s_config_is_all_settings(tmp_path: Path) -> None:
    """What modules did with the settings they do with it: by type, by attribute, as text."""
    settings = settings_of(tmp_path)
    config = config_of(settings, Thermostat())
    assert isinstance(config, DSkitySettings)
    assert config.kv is settings.kv
    assert config.modules is settings.modules
    assert config.advertise_url == settings.advertise_url
    assert config.model_fields_set == settings.model_fields_set
    assert config.masked() == settings.masked()
    assert config.model_dump() == settings.model_dump()
    assert copy.copy(config).settings is config.settings
    assert pickle.loads(pickle.dumps(config)).settings == config.settings  # our own
    with pytest.raises(ValueError, match="frozen"):
        config.name = "other"  # type: ignore[misc]  # what is tested


def test_two_modules_have_each_their_own(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    first = config_of(settings, Thermostat())
    config_of(settings, Plain())
    assert isinstance(first.settings, ThermostatSettings)
    assert settings.for_module("plain").settings == {}
