"""What a child process and the harness say to each other: JSON in, a line `ready`, JSON out."""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any


def arguments() -> dict[str, Any]:
    """What the harness wants of this process."""
    given: dict[str, Any] = json.loads(sys.argv[1])
    return given


def ready(**values: Any) -> None:
    """Say that the measurement can begin, and what the harness must know for it."""
    print("ready", json.dumps(values), flush=True)


def report(values: dict[str, Any]) -> None:
    """Hand over the result; nothing may follow."""
    print(json.dumps(values), flush=True)


def cpu_seconds() -> float:
    """CPU time of this process so far, in all its threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Stopwatch:
    """Wall and CPU time since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), cpu_seconds()

    def per(self, count: int) -> dict[str, float]:
        """`rate` in operations a second, and `cpu` in microseconds an operation."""
        wall, cpu = time.perf_counter() - self._wall, cpu_seconds() - self._cpu
        return {"rate": count / wall, "cpu": cpu / count * 1e6}
