"""The rules in `words.toml`: what to avoid, what to write, and where each rule applies."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.reference.markdown import table

PLACES = ("docs", "messages", "docstrings", "fields")
"""Pages; string literals of the program that contain a space, and descriptions of settings; first
paragraphs of docstrings; descriptions of other fields."""
_FILE = Path(__file__).parent / "words.toml"


@dataclass(frozen=True, slots=True)
class Rule:
    """One word or phrase, as a regular expression without case, and what to write instead."""

    avoid: str
    write: str
    pattern: re.Pattern[str]
    places: tuple[str, ...]

    def found(self, prose: str) -> Iterator[re.Match[str]]:
        """Each occurrence in `prose`; a phrase may go over the end of a line."""
        return self.pattern.finditer(prose)


def rules() -> list[Rule]:
    """All of `words.toml`; `ValueError` where a rule names a place that does not exist."""
    entries = tomllib.loads(_FILE.read_text(encoding="utf-8"))["word"]
    return [_rule(**entry) for entry in entries]


def word_list() -> str:
    """The table in CONTRIBUTING.md."""
    return table(["avoid", "write"], ([rule.avoid, rule.write] for rule in rules()))


def _rule(avoid: str, write: str, pattern: str = "", places: list[str] | None = None) -> Rule:
    unknown = set(places or ()) - set(PLACES)
    if unknown:
        raise ValueError(f"{_FILE.name}: {avoid}: {sorted(unknown)} not in {PLACES}")
    text = pattern or rf"\b{re.escape(avoid)}s?\b"
    spaced = text.replace("\\ ", " ").replace(" ", r"\s+")
    return Rule(avoid, write, re.compile(spaced, re.IGNORECASE), tuple(places or PLACES))
