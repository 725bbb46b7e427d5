from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from dskity.bus.errors import InvalidSettings
from dskity.config import DSkitySettings
from dskity.modules.lifecycle.hydrate import enabled, hydrate


class Extra(BaseModel):
    """A module's settings."""

    limit: int = 5
    token: SecretStr = SecretStr("")


class WithMethod:
    """As the seed writes it."""

    def additional_settings_model(self) -> type[BaseModel]:
        return Extra


def config(**modules: Any) -> DSkitySettings:
    """Settings with these modules."""
    return DSkitySettings.isolated(modules=modules)


@pytest.mark.parametrize(
    "module",
    [
        WithMethod(),
        SimpleNamespace(additional_settings_model=lambda: Extra),
        SimpleNamespace(additional_settings_model=Extra),
    ],
    ids=["method", "function", "class"],
)
def test_the_raw_value_becomes_an_instance(module: Any) -> None:
    """At `config.modules.<name>.additional_settings`."""
    settings = config(health={"additional_settings": {"limit": "7"}})
    hydrate(module, "health", settings)
    assert settings.modules.health.additional_settings == Extra(limit=7)


def test_absent_settings_are_all_defaults() -> None:
    """Whether the module is mentioned or not; a second runtime sees nothing of it."""
    settings = config(other={"enabled": True})
    hydrate(WithMethod(), "other", settings)
    hydrate(WithMethod(), "health", settings)
    assert settings.modules.other.additional_settings == Extra()
    assert settings.modules.health.additional_settings == Extra()
    assert "health" not in config().modules


def test_without_a_model_the_value_stays_as_it_is() -> None:
    """A free mapping; also where the model is None."""
    settings = config(a={"additional_settings": {"x": 1}}, b={})
    hydrate(object(), "a", settings)
    hydrate(SimpleNamespace(additional_settings_model=lambda: None), "b", settings)
    assert settings.modules.a.additional_settings == {"x": 1}
    assert settings.modules.b.additional_settings == {}


def test_a_wrong_value_is_named_by_its_key_and_not_shown() -> None:
    """Every fault in one error."""
    settings = config(health={"additional_settings": {"limit": "many", "token": ["s3cret"]}})
    with pytest.raises(InvalidSettings) as caught:
        hydrate(WithMethod(), "health", settings)
    text = str(caught.value)
    assert "modules.health.additional_settings.limit: Input should be a valid integer" in text
    assert "modules.health.additional_settings.token: " in text
    assert "s3cret" not in text


def test_a_model_that_is_none_says_what_to_return() -> None:
    """An instance, say."""
    module = SimpleNamespace(additional_settings_model=lambda: {"limit": 5})
    with pytest.raises(InvalidSettings, match="return a class derived from"):
        hydrate(module, "health", config())


def test_a_module_is_enabled_unless_the_settings_say_no() -> None:
    """Mentioned or not."""
    settings = config(a={"enabled": False}, b={"enabled": True})
    assert [enabled(name, settings) for name in ("a", "b", "c")] == [False, True, True]
