"""Names below `modules` in the settings that are no module's: a slip there would go unseen."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable

from dskity import modules
from dskity.config import DSkitySettings
from dskity.config.nearest import mend

BUILT_IN = tuple(
    entry.name.replace("_", "-") for entry in pkgutil.iter_modules(modules.__path__) if entry.ispkg
)


def unknown_modules(settings: DSkitySettings, found: Iterable[str]) -> list[str]:
    """A line for each name that is neither a built-in module nor one that was `found`."""
    names = {*BUILT_IN, *found}
    return [
        f"modules.{name}: no module of this name was found; {mend(name, names)}"
        for name in settings.modules
        if name not in names
    ]
