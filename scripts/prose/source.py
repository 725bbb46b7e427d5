"""The prose of a Python file: first paragraphs of docstrings, and strings that a person reads.

A string below a field describes it: a setting where it is in `config/`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

_CODE = re.compile(r"`[^`]+`")
_NO_PROSE = re.compile(r"\s*(?:SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|FROM|WITH|local)\b")
"""How SQL and Lua begin."""


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of prose, the line that it begins in, and its place: `docstrings`, `fields` or
    `messages`."""

    line: int
    place: str
    prose: str


def texts(source: str) -> Iterator[Text]:
    """All prose of a file, without what backticks mark as code."""
    tree = ast.parse(source)
    docstrings = {id(node): place for node, place in _docstrings(tree)}
    for node in _strings(tree):
        place = docstrings.get(id(node), "messages")
        whole = _text(node)
        text = whole.split("\n\n")[0] if place == "docstrings" else whole
        if " " in text and not _NO_PROSE.match(text):
            yield Text(node.lineno, place, _CODE.sub(" ", text))


def _strings(node: ast.AST) -> Iterator[ast.expr]:
    """The string literals below `node`; an f-string is one, without those in its braces."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.JoinedStr | ast.Constant):
            yield child
        else:
            yield from _strings(child)


def _text(node: ast.expr) -> str:
    """The literal, with `…` for each value that is filled in at run time."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    return "…"


def _docstrings(tree: ast.AST) -> Iterator[tuple[ast.Constant, str]]:
    """Strings that stand alone: the first of a body documents it, a later one a field."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        for position, statement in enumerate(body):
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                yield statement.value, "fields" if position else "docstrings"
