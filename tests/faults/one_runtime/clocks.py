"""A wall clock that somebody sets."""

from __future__ import annotations

from dskity.bus.base.clock import VirtualClock


class SetClock(VirtualClock):
    """`set` moves the wall clock alone; time itself goes on by `advance`."""

    def __init__(self) -> None:
        super().__init__()
        self._step = 0.0

    def time(self) -> float:
        return super().time() + self._step

    def set(self, seconds: float) -> None:
        """By so many seconds, ahead or back."""
        self._step += seconds
