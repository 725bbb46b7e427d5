"""Each example of the Python reference runs, as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.checkout import ROOT, files

EXAMPLES = [
    path.stem
    for path in files()
    if path.parent == Path("examples/api") and path.name != "__init__.py"
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_it_runs(example: str, tmp_path: Path) -> None:
    """Its assertions hold."""
    done = subprocess.run(
        [sys.executable, "-m", f"examples.api.{example}"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
