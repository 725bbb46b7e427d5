"""What handlers get by the type of a parameter, beside what the binding itself knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol


class Injectables(Protocol):
    """Where a dispatcher finds values by type."""

    def seen_by(self, owner: str) -> Mapping[type, Any]:
        """The values for the handlers of `owner`, a module; asked at each registration."""
        ...


class Provided(Mapping[type, Any]):
    """Values by type, the same for every owner."""

    def __init__(self, values: Mapping[type, Any] | None = None) -> None:
        self._values = dict(values or {})

    def seen_by(self, owner: str) -> Mapping[type, Any]:
        """See `Injectables`."""
        del owner
        return self

    def __getitem__(self, kind: type) -> Any:
        return self._values[kind]

    def __iter__(self) -> Iterator[type]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def why_not(provided: Mapping[type, Any], kind: Any) -> str:
    """Why no module provides `kind`, to be appended to an error; empty where unknown."""
    explain = getattr(provided, "why_not", None)
    text = "" if explain is None else explain(kind)
    return f". {text}" if text else ""


def names_of(provided: Mapping[type, Any], *more: type) -> str:
    """The types that a parameter may name, in alphabetical order."""
    return ", ".join(sorted(kind.__name__ for kind in (*more, *provided)))
