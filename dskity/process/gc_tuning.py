"""The garbage collector, while a process starts.

Imports and wiring make 100,000 objects that stay for good. Looking for garbage among them takes
0.1 s of a start, and afterwards a pause of 30 ms at every full collection.
"""

from __future__ import annotations

import gc


def hold() -> None:
    """Collect nothing until `settle`."""
    gc.disable()


def settle() -> None:
    """Leave what is there now out of every collection, and collect again."""
    gc.freeze()
    gc.enable()
