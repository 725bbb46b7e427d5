"""A coroutine that has taken its first step, as something to await.

The first step runs in the worker that leads; only where it suspends is there a rest. Stepping
through it here also tells how long each step held the event loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Generator
from typing import Any

BLOCKED_SECONDS = 0.25
"""A step that holds the loop longer is reported: at 4 steps a second nothing else is on time."""


class Rest:
    """Awaits the future that the first step yielded, then the coroutine to its end."""

    __slots__ = ("_coroutine", "_on_blocked", "_yielded")

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, Any],
        yielded: Any,
        on_blocked: Callable[[float], None],
    ) -> None:
        self._coroutine = coroutine
        self._yielded = yielded
        self._on_blocked = on_blocked

    def __await__(self) -> Generator[Any, Any, Any]:
        coroutine, yielded = self._coroutine, self._yielded
        step: Callable[[Any], Any]
        while True:
            try:
                sent = yield yielded
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as error:  # noqa: BLE001  # the coroutine decides, as in `await`
                step, value = coroutine.throw, error
            else:
                step, value = coroutine.send, sent
            started = time.perf_counter()
            try:
                yielded = step(value)
            except StopIteration as stop:
                return stop.value
            finally:
                held = time.perf_counter() - started
                if held > BLOCKED_SECONDS:
                    self._on_blocked(held)
