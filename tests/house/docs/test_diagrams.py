"""The diagrams of the pages are drawn without a script from another host."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from scripts.site import diagrams
from tests.house.checkout import files, text

BLOCK = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DRAWN = [
    (path, block)
    for path in files()
    if path.parts[0] == "docs" and path.suffix == ".md"
    for block in BLOCK.findall(text(path))
]


@pytest.mark.parametrize(("page", "block"), DRAWN, ids=[str(page) for page, _ in DRAWN])
def test_each_label_of_a_diagram_is_in_the_picture(page: Path, block: str) -> None:
    """Participants, arrows and notes, inside the width of the picture."""
    diagram = diagrams.parse(block)
    picture = ET.fromstring(diagrams.svg(diagram))
    shown = {node.text for node in picture.iter() if node.tag.endswith("text")}
    assert set(diagram.titles.values()) <= shown, page
    assert {row[3] for row in diagram.rows if row[1]} <= shown, page


def test_the_message_the_publish_the_expiry_and_the_command_have_a_diagram() -> None:
    """One each."""
    assert sorted(page.stem for page, _ in DRAWN) == [
        "architecture",
        "commands",
        "delivery",
        "key-value-store",
    ]


@pytest.mark.parametrize("source", ["flowchart LR\n", "sequenceDiagram\n  a-xb: lost\n"])
def test_a_diagram_that_cannot_be_drawn_is_an_error(source: str) -> None:
    """It names the line, and fails the build of the site."""
    with pytest.raises(ValueError, match=r"flowchart|a-xb"):
        diagrams.parse(source)
