"""The modules that the settings lead to: those of the search paths, and of installed packages."""

from __future__ import annotations

from dskity.config import DSkitySettings
from dskity.modules.lifecycle.discovered import DiscoveredModule
from dskity.modules.lifecycle.discovery import discover


def discovered(settings: DSkitySettings) -> list[DiscoveredModule]:
    """The modules that are enabled are imported, none is started."""
    return discover(
        settings.modules_search_paths,
        explicit="modules_search_paths" in settings.model_fields_set,
        disabled=[name for name, entry in settings.modules.items() if not entry.enabled],
        writable_by_others=settings.modules_writable_by_others,
        entry_points=settings.modules_entry_points,
    )
