"""The geofence: a service of a module, injected into the handler of another one."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from tests.house.checkout import ROOT

MODULE = ROOT / "examples/geofence/modules/geofences/module.py"


def test_the_service_reaches_the_handler_and_readiness(tmp_path: Path) -> None:
    """As a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "examples.geofence"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.stdout.splitlines() == [
        "trackers/van/entered depot",
        "trackers/van/left depot",
        "geofences: ok",
    ], done.stderr


def test_one_line_registers_it() -> None:
    """The only call on `clients` in the module."""
    calls = [
        node
        for node in ast.walk(ast.parse(MODULE.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "clients"
    ]
    assert [call.attr for call in calls] == ["provide"]


def test_it_is_valid_as_dskity_validate_sees_it(tmp_path: Path) -> None:
    """Which runs no `register`: a type that a module provides is no fault of its user."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "dskity",
            "validate",
            f"--set=modules_search_paths={ROOT / 'examples/geofence/modules'}",
        ],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "valid: 2 modules, 0 faults" in done.stdout
