"""`modules.<name>`: on or off, a database, and the keys that the module defines."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from dskity.config.sections.section import Section


class DatabaseSettings(Section):
    """A module's database, in the terms of SQLAlchemy; the module defines all other keys."""

    model_config = ConfigDict(extra="allow")

    url: str | None = None
    """Database URL, such as `sqlite:///:memory:`."""
    pool_size: int = Field(default=5, ge=0)
    """Number of connections to keep open; 0 means no limit."""
    max_overflow: int = Field(default=10, ge=-1)
    """Maximum number of connections above `pool_size`; -1 means no limit."""
    pool_timeout: float = Field(default=30, ge=0)
    """Seconds to wait for a connection."""
    pool_recycle: int = Field(default=-1, ge=-1)
    """Seconds after which a connection is replaced; -1 means never."""
    pool_pre_ping: bool = False
    """Test a connection before its use."""
    echo: bool = False
    """Log every statement."""


class ModuleSettings(Section):
    """One module; the module defines all other keys."""

    model_config = ConfigDict(extra="allow", frozen=False)

    enabled: bool = True
    """Load and start the module."""
    database: DatabaseSettings = DatabaseSettings.defaults()
    """The module's database."""
    additional_settings: Any = Field(default_factory=dict)
    """Any keys; read into the module's `additional_settings_model()` before `register`."""

    def hydrate(self, model: type[BaseModel]) -> None:
        """Make `additional_settings` an instance of `model`; absent is all its defaults."""
        if not isinstance(self.additional_settings, model):
            self.additional_settings = model.model_validate(self.additional_settings or {})


class Modules(dict[str, ModuleSettings]):
    """`modules`: by key, or, unless a method of dict has its name, `config.modules.health`."""

    def __getattr__(self, name: str) -> ModuleSettings:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"no module {name!r} in the settings") from None

    def entry(self, name: str) -> ModuleSettings:
        """The settings of a module, made with the defaults where the settings do not mention it."""
        return self.setdefault(name, ModuleSettings.defaults())

    @classmethod
    def __get_pydantic_core_schema__(cls, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        entries = handler.generate_schema(dict[str, ModuleSettings])
        return core_schema.no_info_before_validator_function(
            lambda value: {} if value is None else value,
            core_schema.no_info_after_validator_function(cls, entries),
        )
