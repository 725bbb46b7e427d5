"""Code that fails once, as nobody has foreseen it, and then works again."""

from __future__ import annotations

from typing import Any

import pytest


class Broken:
    """`owner.name` (of a class: of all its objects) raises `error` at its next call; `calls` counts
    all of them."""

    def __init__(
        self, patch: pytest.MonkeyPatch, owner: Any, name: str, error: BaseException
    ) -> None:
        self.calls = 0
        self._error = error
        self._original = getattr(owner, name)
        patch.setattr(owner, name, self._function())

    def _function(self) -> Any:
        def call(*args: Any, **named: Any) -> Any:
            self.calls += 1
            if self.calls == 1:
                raise self._error
            return self._original(*args, **named)

        return call


def errors_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The records at ERROR that have a traceback."""
    return [r.getMessage() for r in caplog.records if r.levelname == "ERROR" and r.exc_info]
