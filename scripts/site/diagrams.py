"""Sequence diagrams of the site as SVG, drawn from the text of a `mermaid` block.

GitHub draws such a block itself. The site draws it here, since mkdocs-material would load a script
from another host. Supported are `participant`, the arrows `->>` and `-->>`, `Note over`, and the
blocks `alt`, `else`, `opt`, `loop` and `end`. Any other line is an error, which fails the build.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import Any

_PARTICIPANT = re.compile(r"participant (\w+)(?: as (.+))?$")
_ARROW = re.compile(r"(\w+)(-?->>)(\w+): (.+)$")
_NOTE = re.compile(r"Note over (\w+)(?:,(\w+))?: (.+)$")
_BLOCK = re.compile(r"(alt|else|opt|loop)(?: (.+))?$|(end)$")
_CHARACTER = 7.2
"""Pixels of one character at a font size of 13."""
_ROW, _HEAD, _MARGIN = 34, 56, 70
_STYLE = "font-family:inherit;font-size:13px;fill:currentColor;stroke:none"


@dataclass(slots=True)
class Diagram:
    """Participants by name, with their titles, and the rows from top to bottom.

    A row is `(kind, first, last, text)`; `kind` is an arrow, `note`, or the keyword of
    a block.
    """

    titles: dict[str, str] = field(default_factory=dict)
    rows: list[tuple[str, str, str, str]] = field(default_factory=list)


def fence(source: str, *_: Any, **__: Any) -> str:
    """Format a block for pymdownx.superfences."""
    return f'<div class="diagram">{svg(parse(source))}</div>'


def parse(source: str) -> Diagram:
    """A `sequenceDiagram`; `ValueError` names the first line that is not one of the known."""
    first, *lines = [line.strip() for line in source.splitlines() if line.strip()]
    if first != "sequenceDiagram":
        raise ValueError(f"{first!r}: only sequenceDiagram is drawn")
    diagram = Diagram()
    for line in lines:
        _read(diagram, line)
    return diagram


def svg(diagram: Diagram) -> str:
    """The picture, in the text's colour, as wide as its labels need."""
    at = _columns(diagram)
    width, height = max(at.values()) + _MARGIN, _HEAD + _ROW * len(diagram.rows) + 20
    parts = [_title(at[name], title, height) for name, title in diagram.titles.items()]
    for number, row in enumerate(diagram.rows):
        parts.append(_row(row, at, _HEAD + _ROW * (number + 0.7), width))
    size = f'viewBox="0 0 {width:.0f} {height}" width="{width:.0f}"'
    label = html.escape(" → ".join(diagram.titles.values()))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{label}" '
        'style="max-width:100%;height:auto" stroke="currentColor" fill="none">'
        f"{''.join(parts)}</svg>"
    )


def _read(diagram: Diagram, line: str) -> None:
    if match := _PARTICIPANT.match(line):
        diagram.titles[match[1]] = match[2] or match[1]
    elif match := _ARROW.match(line):
        diagram.rows.append((match[2], match[1], match[3], match[4]))
    elif match := _NOTE.match(line):
        diagram.rows.append(("note", match[1], match[2] or match[1], match[3]))
    elif match := _BLOCK.match(line):
        diagram.rows.append((match[1] or match[3], "", "", match[2] or ""))
    else:
        raise ValueError(f"{line!r}: not a line of a sequence diagram that is drawn")


def _columns(diagram: Diagram) -> dict[str, float]:
    """Where each participant's line is, so far apart that titles and labels fit between them."""
    names = list(diagram.titles)
    at = {names[0]: float(_MARGIN)}
    for left, name in enumerate(names[1:]):
        titles = len(diagram.titles[names[left]]) + len(diagram.titles[name])
        least = at[names[left]] + max(100, titles * _CHARACTER / 2 + 40)
        needed = (
            at[other] + len(text) * _CHARACTER + 20
            for _, first, last, text in diagram.rows
            for other, end in ((first, last), (last, first))
            if end == name and other in at and other != name
        )
        at[name] = max([least, *needed])
    return at


def _title(x: float, title: str, height: int) -> str:
    half = len(title) * _CHARACTER / 2 + 10
    return (
        f'<rect x="{x - half:.0f}" y="8" width="{2 * half:.0f}" height="28" rx="4"/>'
        f"{_text(x, 27, title)}"
        f'<path d="M{x:.0f} 36V{height}" stroke-dasharray="2 4" opacity="0.5"/>'
    )


def _row(row: tuple[str, str, str, str], at: dict[str, float], y: float, width: float) -> str:
    kind, first, last, text = row
    if kind == "note":
        return _note((at[first] + at[last]) / 2, y, text)
    if kind not in {"->>", "-->>"}:
        line = f'<path d="M4 {y:.0f}H{width - 4:.0f}" stroke-dasharray="8 4" opacity="0.6"/>'
        label = f"{kind}: {text}" if text else ""
        return line + _text(8, y - 5, label, anchor="start")
    start, end = at[first], at[last]
    dashes = ' stroke-dasharray="5 3"' if kind == "-->>" else ""
    tip = -7 if end > start else 7
    return (
        f'<path d="M{start:.0f} {y:.0f}H{end:.0f}"{dashes}/>'
        f'<path d="M{end + tip:.0f} {y - 4:.0f}L{end:.0f} {y:.0f}L{end + tip:.0f} {y + 4:.0f}"/>'
        f"{_text((start + end) / 2, y - 6, text)}"
    )


def _note(x: float, y: float, text: str) -> str:
    half = len(text) * _CHARACTER / 2 + 8
    box = f'x="{x - half:.0f}" y="{y - 20:.0f}" width="{2 * half:.0f}" height="24" rx="3"'
    fill = "fill:var(--md-code-bg-color,#eee)"
    return f'<rect {box} style="{fill}" opacity="0.9"/>{_text(x, y - 4, text)}'


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    style = f"{_STYLE};text-anchor:{anchor}"
    return f'<text x="{x:.0f}" y="{y:.0f}" style="{style}">{html.escape(text)}</text>'
