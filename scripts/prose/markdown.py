"""The prose of a Markdown page: everything but code, link targets and comments."""

from __future__ import annotations

import re

_NO_PROSE = re.compile(
    r"^(?P<fence>`{3,}).*?^(?P=fence)$"  # a block of code
    r"|<!--.*?-->"
    r"|`[^`]+`"
    r"|(?<=\])\([^)\s]+\)"  # the target of a link
    r"|https?://\S+",
    re.MULTILINE | re.DOTALL,
)


def prose(page: str) -> str:
    """The page with all else blank, so that a position in it is one in the page."""
    return _NO_PROSE.sub(lambda part: re.sub(r"[^\n]", " ", part[0]), page)
