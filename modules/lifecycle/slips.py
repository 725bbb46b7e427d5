"""Names in a module that are probably meant for the contract, and that are never called."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterator
from typing import Any

from dskity.handlers.declare import is_marked
from dskity.modules.contract import Module
from dskity.modules.lifecycle.failure import defined_at

HOOKS = ("register", "on_startup", "on_shutdown", "additional_settings_model")
_OTHER_NAMES = {
    "on_start": "on_startup",
    "startup": "on_startup",
    "on_started": "on_startup",
    "on_stop": "on_shutdown",
    "on_stopped": "on_shutdown",
    "on_close": "on_shutdown",
    "shutdown": "on_shutdown",
    "registers": "register",
    "settings_model": "additional_settings_model",
}
"""As other frameworks call them; what is spelt nearly right is found by itself."""
_LIKENESS = 0.87  # of 1; `on_shut_down` has 0.96, `on_startups` 0.95, `registered` 0.89


def slips(module: Any) -> list[str]:
    """A sentence for each method that looks like a hook under another name.

    A module that has the right one too calls the other one itself; so may one that marks it with
    `@on`.
    """
    cls = type(module)
    return [
        f"{defined_at(function)}: `{name}` is never called; did you mean `{hook}`?"
        for name, function in _own(cls)
        if (hook := _meant(name)) is not None
        and not _has_own(cls, hook)
        and not is_marked(function)
    ]


def _own(cls: type) -> Iterator[tuple[str, Any]]:
    for base in cls.__mro__:
        if base not in {Module, object}:
            yield from ((n, f) for n, f in vars(base).items() if inspect.isroutine(f))


def _has_own(cls: type, hook: str) -> bool:
    return any(hook in vars(base) for base in cls.__mro__ if base is not Module)


def _meant(name: str) -> str | None:
    if name in HOOKS or name.startswith("_"):
        return None
    near = difflib.get_close_matches(name, HOOKS, n=1, cutoff=_LIKENESS)
    return _OTHER_NAMES.get(name) or next(iter(near), None)
