"""Keys of parts that are not built yet: known, and refused rather than ignored."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import ValidationInfo, field_validator

from dskity.config.sections.section import Section


class Planned(Section):
    """Keys that have no effect yet, so that only their defaults are accepted.

    `missing` is what a user who sets another value is told.
    """

    missing: ClassVar[str]

    @field_validator("*")
    @classmethod
    def _only_the_default(cls, value: Any, info: ValidationInfo) -> Any:
        if value != cls.model_fields[str(info.field_name)].default:
            raise ValueError(f"{cls.missing} yet: leave it out")
        return value
