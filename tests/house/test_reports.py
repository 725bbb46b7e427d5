"""What a test logs does not cost pytest-xdist a worker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.house.checkout import ROOT

LOGS = '''
"""A test that logs a lone surrogate, and one that fails with one."""
import logging


def test_logs():
    logging.getLogger().error("a \\ud800 b")


def test_fails():
    assert "a \\ud800 b" == ""
'''


def test_a_worker_survives_lone_surrogates_in_logs_and_failures(tmp_path: Path) -> None:
    """Its reports arrive, with the surrogates escaped."""
    (tmp_path / "conftest.py").write_text("from tests.conftest import *", encoding="utf-8")
    (tmp_path / "test_logs.py").write_text(LOGS, encoding="utf-8")
    command = (sys.executable, "-m", "pytest", "-n", "1", "--rootdir", tmp_path, "-c", "/dev/null")
    run = subprocess.run(
        (*command, "-p", "no:cacheprovider", "--import-mode=importlib", tmp_path),
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=50,
    )  # fmt: skip
    assert "1 failed, 1 passed" in run.stdout, run.stdout + run.stderr
    assert r"a \ud800 b" in run.stdout
