"""The key that was probably meant."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

LISTED = 12  # known keys that an error lists when none is near


def nearest(word: str, known: Collection[str]) -> str | None:
    """The known word that is most like `word`, or None where none is like it."""
    return next(iter(difflib.get_close_matches(word, known, n=1, cutoff=0.6)), None)


def fix(word: str, known: Collection[str]) -> str:
    """The second half of an error about an unknown word."""
    meant = nearest(word, known)
    if meant is not None:
        return f"did you mean {meant}?"
    some = ", ".join(sorted(known)[:LISTED])
    return f"known here: {some}{', …' if len(known) > LISTED else ''}"
