"""A module's part of the settings: whether it is enabled, and `additional_settings` as a model."""

from __future__ import annotations

from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from dskity.bus.errors import InvalidSettings


class Section(Protocol):
    """`modules.<name>` of the settings."""

    enabled: bool

    def hydrate(self, model: type[BaseModel]) -> None:
        """Make `additional_settings` an instance of `model`; absent is all its defaults."""
        ...


class Sections(Protocol):
    """`modules` of the settings."""

    def get(self, name: str, /) -> Section | None:
        """The section, or None where the settings do not mention it."""
        ...

    def entry(self, name: str) -> Section:
        """The section, made with the defaults where the settings do not mention it."""
        ...


class Config(Protocol):
    """What the settings are to this room; `DSkitySettings` is one."""

    @property
    def modules(self) -> Sections:
        """The section of each module."""
        ...

    def for_module(self, name: str, /) -> Any:
        """The settings as `register` of one module gets them."""
        ...


def enabled(name: str, config: Config) -> bool:
    """A module is enabled unless `modules.<name>.enabled` is false."""
    section = config.modules.get(name)
    return section is None or section.enabled


def hydrate(module: Any, name: str, config: Config) -> None:
    """Put an instance of the module's settings model at `modules.<name>.additional_settings`."""
    section = config.modules.entry(name)
    model = settings_model(module, name)
    if model is None:
        return
    try:
        section.hydrate(model)
    except ValidationError as error:
        raise InvalidSettings("; ".join(_faults(error, name))) from None  # it shows the values


def settings_model(module: Any, name: str) -> type[BaseModel] | None:
    """The model that a module offers, None for a free mapping."""
    offered = getattr(module, "additional_settings_model", None)
    model = offered if offered is None or _is_model(offered) else offered()
    if model is not None and not _is_model(model):
        raise InvalidSettings(
            f"additional_settings_model() of module {name!r} returned {model!r}: "
            "return a class derived from pydantic.BaseModel, or None"
        )
    return model


def _is_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)


def _faults(error: ValidationError, name: str) -> list[str]:
    """One line a field, without its value, which may be a secret."""
    return [
        ".".join(map(str, ("modules", name, "additional_settings", *fault["loc"])))
        + f": {fault['msg']}"
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    ]
