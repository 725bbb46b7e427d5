"""The job that tests the transports with the lowest and the newest versions of the libraries."""

from __future__ import annotations

import re
from pathlib import Path

from scripts.reference.private_names import FILES
from scripts.versions.__main__ import TESTS
from scripts.versions.bounds import LIBRARIES, allowed, lowest


def test_the_lowest_version_is_the_lower_bound() -> None:
    """Of what `pyproject.toml` allows."""
    assert lowest("aiomqtt>=2.5,<2.6") == "aiomqtt==2.5"
    assert all(re.fullmatch(r"[\w-]+==[\d.]+", lowest(each)) for each in allowed())


def test_each_library_with_private_names_is_among_them() -> None:
    """And the parsers under uvicorn."""
    named = {library.distribution for found in FILES.values() for library in found}
    assert named <= set(LIBRARIES)


def test_ci_runs_it_and_every_test_that_it_runs_is_there() -> None:
    """A file that moves must not leave the job behind."""
    assert "python -m scripts.versions" in Path(".ci/run").read_text(encoding="utf-8")
    assert [test for test in TESTS if not Path(test).exists()] == []
