"""Rules that every test lives under, beside those in pyproject.toml.

There: warnings are errors, a test has 60 seconds. Here: no setting of the machine leaks in, no task
outlives its test, the loop is never blocked by our code and never called from another thread.

asyncio's debug mode checks the last one too, and takes four fifths of the suite's processor time to
keep a stack for each future: `scripts/test -o asyncio_debug=true` shows where a task was created.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
from typing import TYPE_CHECKING, Any

import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import HealthCheck, settings
from pydantic import TypeAdapter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator

# Two shared cores make single examples slow at times, which says nothing about the code.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")
TypeAdapter(int)  # pydantic looks for its plugins on the disk, once, before any loop is watched


def _on_its_own_thread(call: Callable[..., Any]) -> Callable[..., Any]:
    """A method of the loop that raises RuntimeError on another thread than the loop's."""

    @functools.wraps(call)
    def checked(loop: asyncio.BaseEventLoop, *args: Any, **fields: Any) -> Any:
        loop._check_thread()  # type: ignore[attr-defined]
        return call(loop, *args, **fields)

    return checked


for _name in ("call_soon", "call_at"):
    setattr(asyncio.BaseEventLoop, _name, _on_its_own_thread(getattr(asyncio.BaseEventLoop, _name)))


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """A report goes to another process as UTF-8, and what a test has logged may have lone
    surrogates: pytest-xdist would lose the worker with the report."""
    return sendable((yield))


def sendable(value: Any) -> Any:
    """A report's data with its lone surrogates escaped."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {sendable(key): sendable(one) for key, one in value.items()}
    return [sendable(one) for one in value] if isinstance(value, list | tuple) else value


@pytest.fixture(autouse=True)
def no_setting_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """`DSKITY_…` is the user's; what steers the tests themselves stays."""
    for name in list(os.environ):
        if name.startswith("DSKITY_") and name != "DSKITY_REQUIRE_SERVICES":
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def rules_of_the_loop(request: pytest.FixtureRequest) -> None:
    """Tests that run on a loop are watched."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("watched_loop")


@pytest.fixture
async def watched_loop() -> AsyncIterator[BlockBuster]:
    """Every task has a parent that ends it; a blocking call of ours would stop all handlers."""
    # `until` of the testing kit calls the test's own condition, which may read a file.
    with blockbuster_ctx(scanned_modules=["dskity"], excluded_modules=["dskity.testing"]) as watch:
        yield watch
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:  # gRPC's calls end a moment after their server
        _, left = await asyncio.wait(left, timeout=1.0)
    assert not left, f"tasks outlive the test: {sorted(task.get_name() for task in left)}"
