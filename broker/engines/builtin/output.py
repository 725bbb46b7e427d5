"""What a connection asks of its socket."""

from __future__ import annotations

from typing import Protocol


class Output(Protocol):
    """The way to one client. Nothing here blocks or raises."""

    @property
    def writable(self) -> bool:
        """Whether what was written leaves about as fast as it comes; where it does not, messages
        wait in the session, which is bounded."""
        ...

    def write(self, data: bytes) -> None:
        """Send, behind what was sent before."""
        ...

    def hold(self, on: bool) -> None:  # a state
        """Stop reading from the client, or go on."""
        ...

    def close(self) -> None:
        """Close, after what was written; soon in any case."""
        ...
