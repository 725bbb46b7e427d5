"""Values with their origins, and laying one over another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

KeyPath: TypeAlias = tuple[str, ...]


@dataclass(slots=True)
class Layer:
    """What one source sets: nested `values`, and for key paths where they came from."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[KeyPath, str] = field(default_factory=dict)

    def put(self, path: KeyPath, value: Any, origin: str) -> None:
        """Set one key, making the sections above it."""
        section = self.values
        for key in path[:-1]:
            below = section.get(key)
            if not isinstance(below, dict):
                below = section[key] = {}
            section = below
        old = section.get(path[-1])
        section[path[-1]] = merged(old, value) if isinstance(old, dict) else value
        self._note(path, value, origin)

    def _note(self, path: KeyPath, value: Any, origin: str) -> None:
        self.origins[path] = origin
        if isinstance(value, dict):
            for key, below in value.items():
                self._note((*path, str(key)), below, origin)

    def over(self, below: Layer) -> Layer:
        """Both, with this one's values where both have one."""
        return Layer(merged(below.values, self.values), below.origins | self.origins)

    def origin(self, path: KeyPath) -> str | None:
        """Where the key, or the nearest section above it, came from."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
        return None


def merged(below: Any, above: Any) -> Any:
    """`above` laid over `below`: sections key by key, everything else whole."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    result: dict[str, Any] = dict(below)
    for key, value in above.items():
        result[key] = merged(below[key], value) if key in below else value
    return result
