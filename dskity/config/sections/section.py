"""What every section of the settings has in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr, model_validator

from dskity.config.masking import mask

if TYPE_CHECKING:
    from collections.abc import Iterable

MIB = 1024 * 1024


class Section(BaseModel):
    """A frozen group of keys. Unknown ones are refused; an empty `section:` is all defaults."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        defer_build=True,  # the whole tree has one validator: 20 more would be built for nothing
    )

    @classmethod
    def defaults(cls) -> Self:
        """All defaults, which are valid as they are written: no validator is built for them."""
        return super().model_construct()

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_defaults(cls, values: Any) -> Any:
        return {} if values is None else values

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, mask(value, name or "")


def _nothing_is_empty(value: Any) -> Any:
    return {} if value is None else value


def _one_is_a_list(value: Any) -> Any:
    return [value] if isinstance(value, str | SecretStr) else value


NothingIsEmpty = BeforeValidator(_nothing_is_empty)
OneIsAList = BeforeValidator(_one_is_a_list)
Secrets = Annotated[tuple[SecretStr, ...], OneIsAList]
"""One secret or a list of them, for rotation."""
