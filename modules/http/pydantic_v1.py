"""Spares the import of `pydantic.v1` (1.7 MiB), which FastAPI needs only for types of that package.

FastAPI asks of each type that a route names whether it is one of these. Without the import there
is none, so the question is asked only where other code has imported the package.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import fastapi.encoders
import fastapi.utils

_QUESTIONS: tuple[tuple[ModuleType, str], ...] = (
    (fastapi.utils, "annotation_is_pydantic_v1"),
    (fastapi.encoders, "is_pydantic_v1_model_instance"),
)


def spare() -> None:
    """Have FastAPI ask so; a version of it that does not ask stays as it is."""
    for module, name in _QUESTIONS:
        question = getattr(module, name, None)
        if question is not None and not hasattr(question, "__wrapped__"):
            setattr(module, name, _where_imported(question))


def _where_imported(question: Callable[[Any], bool]) -> Callable[[Any], bool]:
    @functools.wraps(question)
    def spared(thing: Any) -> bool:
        return "pydantic.v1" in sys.modules and question(thing)

    return spared
