"""The plugin in a project of a user's: a folder of its own, and plain pytest in a process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.checkout import ROOT

PAGE = ROOT / "docs/how-to/test-a-module.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

STRICT = """
import pytest

pytestmark = pytest.mark.asyncio

async def test_bus(bus, clock, dskity_broker):
    async with bus.stream("t", qos=1) as heard:
        await bus.publish("t", 1)
        assert (await anext(heard)).json() == 1

async def test_client(dskity_client, dskity_app, dskity_runtime):
    assert (await dskity_client.get("/health/live")).status_code == 200
"""
UNTOUCHED = """
import sys

def test_nothing_of_ours_is_imported():
    heavy = {"dskity.bus", "dskity.config", "fastapi", "grpc", "httpx", "pydantic"}
    assert not heavy & sys.modules.keys()
"""
SYNCHRONOUS = """
def test_settings(dskity_settings):
    assert not dskity_settings.http.enabled

def test_bus(bus): ...
"""


def run_pytest(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """As a user would call it, warnings being errors."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
    environment = {**os.environ, **variables}
    return subprocess.run(
        [*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True,
        check=False, timeout=50,
    )  # fmt: skip


def asyncio_mode(mode: str) -> tuple[str, ...]:
    """The options of pytest-asyncio, which warns where the second is left to it."""
    return "-o", f"asyncio_mode={mode}", "-o", "asyncio_default_fixture_loop_scope=function"


def outcome(done: subprocess.CompletedProcess[str], **expected: int) -> None:
    """The last line of pytest's report names exactly these counts."""
    last = done.stdout.strip().rpartition("\n")[2]
    counts = {word.rstrip("s"): int(count) for count, word in re.findall(r"(\d+) ([a-z]+)", last)}
    assert counts == expected, done.stdout + done.stderr


def test_the_how_to_page_passes_as_it_stands(tmp_path: Path) -> None:
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert all("def test_" in block for block in blocks)
    for number, block in enumerate(blocks, 1):
        (tmp_path / f"test_block_{number}.py").write_text(block, encoding="utf-8")
    done = run_pytest(tmp_path, *asyncio_mode("auto"))
    outcome(done, passed=sum(block.count("def test_") for block in blocks))


def test_the_fixtures_work_in_strict_mode_too(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(STRICT)
    outcome(run_pytest(tmp_path, *asyncio_mode("strict")), passed=2)


def test_a_session_that_asks_for_no_fixture_pays_for_none(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(UNTOUCHED)
    outcome(run_pytest(tmp_path, *asyncio_mode("strict")), passed=1)


def test_without_pytest_asyncio_the_fixture_that_needs_it_says_so(tmp_path: Path) -> None:
    """Those that need no loop go on working."""
    (tmp_path / "test_it.py").write_text(SYNCHRONOUS)
    absent = tmp_path / "path" / "pytest_asyncio.py"
    absent.parent.mkdir()
    absent.write_text("raise ModuleNotFoundError(__name__)")
    done = run_pytest(tmp_path, "-p", "no:asyncio", PYTHONPATH=str(absent.parent))
    outcome(done, passed=1, error=1)
    assert "'bus' needs pytest-asyncio: install dskity[testing]" in done.stdout


@pytest.mark.parametrize("name", ["Nothing", "_HOME"])
def test_the_kit_has_the_names_it_lists_and_no_other(name: str) -> None:
    import dskity.testing  # noqa: PLC0415  # looked up when it is asked for

    for listed in dskity.testing.__all__:
        assert getattr(dskity.testing, listed).__module__.startswith("dskity.testing.")
    with pytest.raises(AttributeError, match=name):
        getattr(dskity.testing, name)
