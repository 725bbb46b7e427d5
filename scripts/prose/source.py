"""The prose of a Python file: first paragraphs of docstrings, and strings that a person reads.

A docstring below a field counts as a message: it describes a setting.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

_CODE = re.compile(r"`[^`]+`")
_SQL = re.compile(r"\s*(?:SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER|PRAGMA|WITH|BEGIN)\b")


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of prose, the line that it begins in, and its place: `docstrings` or `messages`."""

    line: int
    place: str
    prose: str


def texts(source: str) -> Iterator[Text]:
    """All prose of a file, without what backticks mark as code."""
    tree = ast.parse(source)
    docstrings = {id(node): place for node, place in _docstrings(tree)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        place = docstrings.get(id(node), "messages")
        text = node.value.split("\n\n")[0] if place == "docstrings" else node.value
        if " " in text and not _SQL.match(text):
            yield Text(node.lineno, place, _CODE.sub(" ", text))


def _docstrings(tree: ast.AST) -> Iterator[tuple[ast.Constant, str]]:
    """Strings that stand alone: the first of a body documents it, a later one a field."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        for position, statement in enumerate(body):
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                yield statement.value, "messages" if position else "docstrings"
