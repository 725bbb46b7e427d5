"""Keys below `modules` in the settings that are not read: a slip would go unseen."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dskity import modules
from dskity.config import DSkitySettings
from dskity.config.nearest import fix

_FOLDER = Path(modules.__path__[0])
BUILT_IN = tuple(sorted(path.parent.name.replace("_", "-") for path in _FOLDER.glob("*/module.py")))
"""The folders of `modules/` that hold a module; the others are what all modules share."""


def no_modules(settings: DSkitySettings) -> str:
    """What is said where only the built-in modules are there."""
    return f"no modules in {', '.join(settings.modules_search_paths)}; `dskity init` creates one"


def unknown_modules(settings: DSkitySettings, found: Iterable[str]) -> list[str]:
    """A line for each name that is neither a built-in module nor one that was `found`, and for
    each key of a built-in one, which has its settings elsewhere."""
    names = {*BUILT_IN, *found}
    unknown = [
        f"modules.{name}: no module of this name was found; {fix(name, names)}"
        for name in settings.modules
        if name not in names
    ]
    unread = [
        f"modules.{name}.{key}: it has no effect; only enabled can be set for a built-in module"
        for name in BUILT_IN
        if name in settings.modules
        for key in sorted(settings.modules[name].model_fields_set - {"enabled"})
    ]
    return unknown + unread
