"""The wheel holds what lies in the checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.house.checkout import ROOT, files


def test_what_an_earlier_build_has_left_does_not_reach_a_wheel(tmp_path: Path) -> None:
    """A file in `build/lib` that the checkout does not have."""
    checkout = tmp_path / "checkout"
    for file in files():
        (checkout / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, checkout / file)
    stale = checkout / "build" / "lib" / "dskity" / "modules" / "gone" / "__init__.py"
    stale.parent.mkdir(parents=True)
    stale.write_text("raise ImportError\n")
    command = (sys.executable, "-c", f"{_BUILD}{str(tmp_path)!r}))")
    subprocess.run(command, cwd=checkout, check=True, capture_output=True, timeout=60)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "dskity/modules/kv/module.py" in names
    assert not [name for name in names if "gone" in name]


_BUILD = "from setuptools import build_meta; print(build_meta.build_wheel("
"""What pip calls in the checkout (PEP 517)."""
