"""Installed packages that have entry points of a group."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions

_logger = logging.getLogger(__name__)


def packages_with(group: str) -> Iterator[tuple[Distribution, str]]:
    """The packages with their names, in the order of the names; of two installations of one
    package the first on `sys.path`. One whose files cannot be read is logged and left out."""
    found: dict[str, Distribution] = {}
    for package in distributions():
        try:
            # The text is looked at first: it costs a tenth of what parsing all of them costs.
            if f"[{group}]" in (package.read_text("entry_points.txt") or ""):
                found.setdefault(package.metadata["Name"] or "?", package)
        except Exception as error:  # noqa: BLE001  # another program's package: no text, no access
            place = getattr(package, "_path", package)
            _logger.warning("the installed package %s cannot be read: %s", place, error)
    for name, package in sorted(found.items()):
        yield package, name
