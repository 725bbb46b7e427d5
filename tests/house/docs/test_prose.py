"""Texts that people read use the words of CONTRIBUTING.md."""

from __future__ import annotations

import pytest

from scripts.prose import markdown, rules, source
from scripts.prose.__main__ import CONTRIBUTING, findings, listed


def test_no_text_uses_a_word_that_the_list_replaces() -> None:
    """Pages, docstrings and messages; the list is `scripts/prose/words.toml`."""
    assert findings() == []


def test_contributing_shows_the_rules_that_are_enforced() -> None:
    """`python -m scripts.prose --write` renews the list."""
    text = CONTRIBUTING.read_text(encoding="utf-8")
    assert listed(text) == text
    assert [rule.avoid for rule in rules.rules() if f"| {rule.avoid} |" not in text] == []


@pytest.mark.parametrize(
    ("page", "lines"),
    [
        ("The HTTP door.", [1]),
        ("One\ntwo door\n", [2]),
        ("`door` and [API](door.md)\n```sh\nopen door\n```\n<!-- door -->\noutdoor\n", []),
    ],
)
def test_a_page_is_read_without_code_links_and_comments(page: str, lines: list[int]) -> None:
    """A finding keeps the line that it has in the page."""
    prose = markdown.prose(page)
    (door,) = [rule for rule in rules.rules() if rule.avoid == "door"]
    assert [1 + prose.count("\n", 0, found.start()) for found in door.found(prose)] == lines


def test_a_phrase_is_found_across_the_end_of_a_line() -> None:
    (phrase,) = [rule for rule in rules.rules() if rule.avoid == "policy word"]
    assert [found[0] for found in phrase.found("an unknown policy\nword")] == ["policy\nword"]


def test_a_file_is_read_for_docstrings_messages_and_descriptions_of_fields() -> None:
    """Names, keys, SQL, later paragraphs of docstrings and code in backticks are not prose."""
    text = '''"""Purpose of the file.

Details."""
class Settings:
    """A section."""
    port: int = 0
    """TCP port of `a door`."""
def run(name):
    log.info(f"opened {name} at the port")
    raise Fault("no such file", "key", "SELECT door FROM a_table")
'''
    found = [(part.line, part.place, part.prose.strip()) for part in source.texts(text)]
    assert sorted(found) == [
        (1, "docstrings", "Purpose of the file."),
        (5, "docstrings", "A section."),
        (7, "fields", "TCP port of  ."),
        (9, "messages", "opened … at the port"),
        (10, "messages", "no such file"),
    ]
