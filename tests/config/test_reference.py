"""The reference page is what the models say."""

from __future__ import annotations

from pathlib import Path

from dskity.config import DSkitySettings
from dskity.config.environment import RESERVED
from dskity.config.reference import PATH, render
from dskity.config.schema import env_name, leaves, tree

PAGE = Path(__file__).parents[2] / PATH


def test_the_page_is_up_to_date() -> None:
    """`python -m dskity.config.reference` writes it."""
    assert PAGE.read_text(encoding="utf-8") == render()


def test_every_key_is_on_the_page_with_a_description() -> None:
    """And every variable that is no setting."""
    text = render()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert [row for row in rows if row.endswith("|  |")] == []
    missing = [path for path, _ in leaves(tree(DSkitySettings)) if env_name(path) not in text]
    assert missing == []
    assert all(name in text for name in RESERVED)
