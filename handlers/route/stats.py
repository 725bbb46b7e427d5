"""What became of a route's messages, in numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class RouteStats:
    """Counts since the route was made; `busy_seconds` is the time inside the handler.

    `shed` counts QoS 0 messages that an overload dropped, `ignored` the times a handler went on
    after its cancellation and was given up. `threads_overdue` are the threads of timed-out plain
    handlers that run now.
    """

    handled: int = 0
    failed: int = 0
    retried: int = 0
    invalid: int = 0
    dropped: int = 0
    duplicates: int = 0
    shed: int = 0
    dead_lettered: int = 0
    timed_out: int = 0
    ignored: int = 0
    threads_overdue: int = 0
    blocked: int = 0
    busy_seconds: float = 0.0
