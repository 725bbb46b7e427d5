"""HTTP routes that cannot be reached, because an earlier one takes their calls."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

_PARAMETER = re.compile(r"\{(\w+)(?::(\w+))?\}")
_SAMPLES = {"int": "1", "float": "1.5", "uuid": "00000000-0000-4000-8000-000000000000"}
"""What a parameter may be, by its convertor; text for all others."""


def shadowed(routes: Sequence[Any], added: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Each route of `added` (as `GET /kv`) whose calls another one of `routes`, all of them in the
    order they are asked in, takes; and the path of that one."""
    for route in added:
        before = routes[: routes.index(route)]
        for method, path in _calls(route):
            other = _first(before, method, path)
            if other is not None:
                yield f"{method} {path}", other


def _calls(route: Any) -> Iterator[tuple[str, str]]:
    """What a route is for; that of an included router (of FastAPI) is several."""
    inner = getattr(route, "effective_route_contexts", None)
    for one in [route] if inner is None else inner():
        for method in sorted(getattr(one, "methods", None) or ()):
            yield method, one.path


def _first(routes: Sequence[Any], method: str, path: str) -> str | None:
    """The path of the first that matches."""
    scope = {
        "type": "http",
        "method": method,
        "path": _PARAMETER.sub(lambda found: _SAMPLES.get(found[2] or "", "x"), path),
        "root_path": "",
        "headers": [],
    }
    for route in routes:
        if _takes(route, scope):
            inner = getattr(route, "effective_route_contexts", None)
            found = route if inner is None else next(one for one in inner() if _takes(one, scope))
            return str(found.path)
    return None


def _takes(route: Any, scope: dict[str, Any]) -> bool:
    return bool(route.matches(scope)[0].name == "FULL")
