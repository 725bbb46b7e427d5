"""docs/how-to/troubleshoot.md quotes what the program says."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from scripts.prose.__main__ import program
from tests.house.checkout import ROOT, text

PAGE = text(Path("docs/how-to/troubleshoot.md"))
SYMPTOMS = re.findall(r"^### `(.+)`$", PAGE, re.MULTILINE)
VARIES = "\0"


@pytest.mark.parametrize("symptom", SYMPTOMS)
def test_a_symptom_is_a_text_of_the_program(symptom: str) -> None:
    """What stands between the `…` of a symptom is in one string of the source, in that order."""
    parts = [re.escape(part.strip()) for part in symptom.split("…") if part.strip(" :;()")]
    pattern = re.compile(".*".join(parts), re.DOTALL)
    assert [said for said in _said() if pattern.search(said)], symptom


def test_each_symptom_has_a_fix() -> None:
    sections = re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]
    assert len(sections) == len(SYMPTOMS)
    assert [part.splitlines()[0] for part in sections if "**Fix.**" not in part] == []


@cache
def _said() -> list[str]:
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in program(ROOT))
    return [_text(node) for tree in trees for node in ast.walk(tree)]


def _text(node: ast.AST) -> str:
    """A string, with what is filled in at run time as `VARIES`; empty for any other node."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"%[\d.]*[a-z]", VARIES, node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or VARIES for part in node.values)
    return ""
