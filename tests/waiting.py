"""Waiting for a fact instead of sleeping: what users of the testing kit have."""

from __future__ import annotations

from dskity.testing.waiting import until

__all__ = ["until"]
