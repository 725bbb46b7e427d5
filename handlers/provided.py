"""What handlers get by the type of a parameter, beside what the binding itself knows."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any


class Provided(Mapping[type, Any]):
    """Values by type. A type may be given by name: it is not imported before a handler has it."""

    def __init__(self) -> None:
        self._values: dict[type, Any] = {}
        self._makers: dict[tuple[str, str], Callable[[], Any]] = {}

    def add(self, kind: type, value: Any) -> None:
        """Give `value` to parameters of type `kind`."""
        self._values[kind] = value

    def add_by_name(self, module: str, name: str, make: Callable[[], Any]) -> None:
        """Give what `make` returns to parameters of the type `module.name`."""
        self._makers[module, name] = make

    def __getitem__(self, kind: type) -> Any:
        make = self._makers.get((kind.__module__, kind.__qualname__))
        return self._values[kind] if make is None else make()

    def __iter__(self) -> Iterator[type]:
        yield from self._values
        for module, name in self._makers:
            yield getattr(importlib.import_module(module), name)

    def __len__(self) -> int:
        return len(self._values) + len(self._makers)
