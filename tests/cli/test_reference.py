"""The reference page is what the verbs say."""

from __future__ import annotations

from pathlib import Path

from dskity.cli.reference import PATH, render
from tests.cli.test_usage import VERBS

PAGE = Path(__file__).parents[2] / PATH


def test_the_page_is_up_to_date() -> None:
    """`python -m dskity.cli.reference` writes it."""
    assert PAGE.read_text(encoding="utf-8") == render()


def test_every_verb_and_option_is_described() -> None:
    """No row without a meaning."""
    text = render()
    assert [verb for verb in VERBS if f"## `{verb}`" not in text] == []
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert [row for row in rows if row.endswith("|  |")] == []
