"""Which keys of a module's settings nobody reads."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from dskity.config import DSkitySettings
from dskity.modules.lifecycle.discovered import DiscoveredModule
from dskity.notices.unknown_keys import unknown_keys


class Inner(BaseModel):
    host: str = ""


class Own(BaseModel):
    limit: int = 5
    inner: Inner = Inner()
    named: str = Field(default="", alias="other-name")
    chosen: str = Field(default="", validation_alias=AliasChoices("one", "two"))


class Open(Own):
    model_config = ConfigDict(extra="allow")


class Closed(Own):
    model_config = ConfigDict(extra="forbid")


def lines(model: Any, **section: Any) -> list[str]:
    """Those for one module with this model and these settings."""
    settings = DSkitySettings.isolated(modules={"m": section})
    module = SimpleNamespace(additional_settings_model=model)
    return unknown_keys(
        settings, [DiscoveredModule("m", "m.py", module), DiscoveredModule("absent", "a.py")]
    )


def test_keys_that_the_model_has_are_read() -> None:
    """By name or alias, on each level."""
    values = {"limit": 1, "inner": {"host": "x"}, "other-name": "y", "two": "z"}
    assert lines(Own, additional_settings=values) == []


def test_a_key_that_an_inner_model_does_not_have_is_named_with_its_path() -> None:
    """And the nearest one."""
    assert lines(Own, additional_settings={"inner": {"hots": "x"}, "named": "y"}) == [
        "modules.m.additional_settings.inner.hots: Inner has no such field; did you mean host?",
        (
            "modules.m.additional_settings.named: Own has no such field; "
            "known here: inner, limit, one, other-name, two"
        ),
    ]


@pytest.mark.parametrize("model", [Open, Closed, None, 7, lambda: 1 / 0])
def test_what_a_model_takes_or_refuses_itself_is_not_named(model: Any) -> None:
    """Nor is anything where there is no model."""
    assert lines(model, additional_settings={"limt": 1}) == []


def test_a_key_of_the_module_s_own_beside_the_settings_is_none() -> None:
    """Modules may read `config.modules.m.colour`; what looks like a slip is named all the same."""
    assert lines(Own, colour="red") == []
    assert lines(None, colour="red", addtional_settings={}) == [
        "modules.m.addtional_settings: did you mean modules.m.additional_settings?"
    ]
    assert lines(Own, limits=3) == [
        "modules.m.limits: did you mean modules.m.additional_settings.limit?"
    ]
