"""docs/reference/states.md, from the state tables of connections and of the outbox."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import ModuleType
from typing import Any

from dskity.broker.connection import states as connection
from dskity.bus.store import outbox_states as outbox
from scripts.reference.markdown import code, page, table

INTRODUCTION = """
The states of the intake or control connection to the broker and of the disk outbox, and the events
that lead from one state to the next. An event that is missing in a table leaves the state as it is,
or cannot occur there: then it is an error in the log. [Commands](commands.md) has the states of a
command.
"""


def render() -> str:
    """The whole page."""
    return page(
        "States",
        INTRODUCTION,
        *_section("A connection to the broker", connection, connection.NEXT),
        *_section("The outbox", outbox, outbox.NEXT),
    )


def _section(
    title: str, module: ModuleType, following: Mapping[Any, Mapping[Any, StrEnum]]
) -> Iterator[str]:
    yield f"## {title}"
    for name in ("State", "Event"):
        rows = ([code(value), meaning] for value, meaning in _meanings(module, name))
        yield table([name.lower(), "means"], rows)
    yield table(
        ["state", "event", "next state"],
        (
            [code(state), code(event), code(after)]
            for state, row in following.items()
            for event, after in row.items()
            if after is not state
        ),
    )


def _meanings(module: ModuleType, name: str) -> Iterator[tuple[str, str]]:
    """The members of an enumeration, each with the docstring under it."""
    members: list[str] = []
    for node in ast.walk(ast.parse(inspect.getsource(getattr(module, name)))):
        match node:
            case ast.Assign(value=ast.Constant(value=str(value))):
                members.append(value)
            case ast.Expr(value=ast.Constant(value=str(text))) if members:
                yield members.pop(), " ".join(text.split())
