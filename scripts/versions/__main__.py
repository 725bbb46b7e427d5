"""`python -m scripts.versions [lowest|newest …]`: run the tests of the transports with these.

The libraries go into a folder of build/ that comes before those of `.venv`; all else is `.venv`'s.
What `.venv` has already is what `scripts/test` has run with, and is not run once more.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from scripts.versions.bounds import LIBRARIES, ROOT, allowed, lowest

TESTS = (
    "tests/broker",
    "tests/contract/transport",
    "tests/engines/test_embedded_rules.py",
    "tests/house/test_private_names.py",
    "tests/http/strangers/test_parsers.py",
    "tests/http/test_server.py",
)


def main() -> int:
    """Exit 1 where a test fails."""
    parser = argparse.ArgumentParser(prog="python -m scripts.versions")
    parser.add_argument("which", nargs="*", default=["lowest", "newest"])
    return max(_run(which) for which in parser.parse_args().which)


def _run(which: str) -> int:
    folder = ROOT / "build" / "versions" / which
    shutil.rmtree(folder, ignore_errors=True)
    wanted = [lowest(each) for each in allowed()] if which == "lowest" else allowed()
    _install(folder, wanted)
    found = _versions([str(folder)])
    print(f"· {which}: {', '.join(' '.join(each) for each in found.items())}", flush=True)
    if found == _versions(sys.path):
        print("· these are the versions in .venv: scripts/test has run with them")
        return 0
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    options = ["-q", "-n", "logical", "--dist", "loadfile", "-m", "not slow"]
    tests = [sys.executable, "-m", "pytest", *options, *TESTS]
    return subprocess.run(  # noqa: S603  # our own tests
        tests, cwd=ROOT, env=environment, check=False
    ).returncode


def _install(folder: Path, wanted: list[str]) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    subprocess.run([*pip, *wanted], check=True)  # noqa: S603  # what pyproject.toml allows


def _versions(path: list[str]) -> dict[str, str]:
    return {
        each.name: each.version
        for each in metadata.distributions(path=path)
        if each.name in LIBRARIES
    }


if __name__ == "__main__":
    sys.exit(main())
