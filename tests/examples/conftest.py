"""A start reads files, as in tests/runtime."""

from __future__ import annotations

from tests.runtime.conftest import watched_loop

__all__ = ["watched_loop"]
