"""What the verbs print of strangers' texts: it neither steers the terminal nor forges a line."""

from __future__ import annotations

import json
import unicodedata

import pytest

from dskity.bus.errors import InvalidInput
from dskity.process.terminal import (
    complain,
    note,
    payload_text,
    print_json,
    print_line,
    print_table,
)

EVERY_CONTROL = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))
HOSTILE = f"{EVERY_CONTROL}\ud800\ufffe[red]:smile:[/red]"


def steers(text: str, kept: str = "\n") -> list[str]:
    """The characters of it that a terminal does not show."""
    return [c for c in text if unicodedata.category(c) in {"Cc", "Cs", "Cn"} and c not in kept]


def test_tables_and_lines_show_it_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """Nor is markup read in it."""
    print_table(("id", "error"), [("1", HOSTILE)])
    print_line(HOSTILE)
    printed = capsys.readouterr().out
    assert steers(printed) == []
    assert "[red]:smile:[/red]" in printed
    assert r"\x1b" in printed
    assert printed.splitlines()[-1].startswith(r"\x00")


def test_notes_and_errors_keep_their_line_breaks_and_indent_what_follows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    note(f"one\nerror: forged {HOSTILE}")
    complain(InvalidInput(f"one\nerror: forged {HOSTILE}"), as_json=False)
    printed = capsys.readouterr().err
    assert steers(printed) == []
    starts = [line for line in printed.split("\n") if line and not line.startswith("    ")]
    assert starts == ["one", "error: one"]


def test_json_has_all_of_it_and_no_control_character(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"text": HOSTILE})
    complain(InvalidInput(HOSTILE), as_json=True)
    out, err = capsys.readouterr()
    assert steers(out) == steers(err) == []
    assert (out.count("\n"), err.count("\n")) == (1, 1)
    assert json.loads(out)["text"] == json.loads(err)["detail"] == HOSTILE


def test_a_payload_keeps_its_line_breaks_only() -> None:
    assert payload_text(b"a\nb\x1b\xff\r\n") == "a\nb\\x1b\\xff\\x0d\n"
