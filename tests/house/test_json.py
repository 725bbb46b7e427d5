"""JSON is read in one place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.checkout import modules, text

UNBOUNDED = re.compile(r"json\.loads?\(|\bfrom_json\b|\b(?:model_)?validate_json\b")
READERS = {
    Path("bus/base/jsontext.py"),  # the bounded decoder
    Path("bus/message.py"),  # through a model; every error becomes `InvalidPayload`
    Path("handlers/binding.py"),  # the same without a wrapper, on the path of every message
    Path("dskity/config/decoding.py"),  # settings, which are the operator's own
}


def test_only_these_files_read_json_by_themselves() -> None:
    """1 KB of `[` is a `RecursionError` in `json.loads`, and a lone surrogate passes it."""
    found = {path for path in modules().values() if UNBOUNDED.search(text(path))}
    assert found <= READERS


@pytest.mark.parametrize("line", ["json.loads(x)", "import from_json", "a.model_validate_json(b)"])
def test_what_reads_json_is_found(line: str) -> None:
    assert UNBOUNDED.search(line)
