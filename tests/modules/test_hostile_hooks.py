"""Whatever a module does in its import, constructor, `register` or hooks is its own failure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from dskity.modules.lifecycle.lifecycle import HookTimeouts
from tests.modules.conftest import Folder, Stage, staged
from tests.modules.test_failures import HEAD, WORKING, still_works

RAISES = {
    "SystemExit": "raise SystemExit('gone')",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "GeneratorExit": "raise GeneratorExit",
    "CancelledError": "raise asyncio.CancelledError",
    "panic": "raise Panic('rust')",
    "group": "raise BaseExceptionGroup('several', [Panic(), SystemExit(1)])",
    "no text": "raise Textless",
    "recursion": "raise RecursionError",
}
CLASSES = """
    class Panic(BaseException): ...

    class Textless(Exception):
        def __str__(self):
            raise SystemExit("no text")

        __repr__ = __str__
"""
PLACES = {
    "constructor": "def __init__(self):",
    "settings": "def additional_settings_model(self):",
    "register": "def register(self, clients, config):",
    "async register": "async def register(self, clients, config):",
    "startup": "async def on_startup(self, clients):",
    "plain startup": "def on_startup(self, clients):",
}


def broken(folder: Folder, place: str, *body: str) -> None:
    """A module with this body in this place, before one that works."""
    lines = "".join(f"\n            {line}" for line in body)
    folder.write(
        "bad.py",
        f"""{HEAD}{CLASSES}
    class Bad(Module):
        meta = ModuleMeta("bad")

        {place}{lines}
""",
    )
    folder.write("working.py", WORKING)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("raised", [name for name in RAISES if name != "KeyboardInterrupt"])
async def test_any_exception_fails_one_module(folder: Folder, place: str, raised: str) -> None:
    broken(folder, PLACES[place], RAISES[raised])
    async with staged(folder.path) as stage:
        await stage.supervisor.start()
        assert stage.supervisor.states()["bad"].state == "failed"
        assert stage.supervisor.states()["bad"].reason
        await still_works(stage)


CIRCLES = {
    "itself": ("error = ValueError('round')", "raise error from error"),
    "two": (
        "one, two = ValueError('round'), KeyError('other')",
        "one.__cause__, two.__cause__ = two, one",
        "raise one",
    ),
}


@pytest.mark.parametrize("circle", CIRCLES)
async def test_an_error_that_is_its_own_cause_fails_one_module(folder: Folder, circle: str) -> None:
    """`raise error from error` makes one, and whoever follows the causes never comes to an end."""
    broken(folder, PLACES["register"], *CIRCLES[circle])
    async with staged(folder.path) as stage:
        await stage.supervisor.start()
        assert "ValueError: round" in stage.supervisor.states()["bad"].reason
        await still_works(stage)


ATTRIBUTES = {
    "middleware": "@property\n        def middleware(self):",
    "on_startup": "@property\n        def on_startup(self):",
    "on_shutdown": "@property\n        def on_shutdown(self):",
}


@pytest.mark.parametrize("raised", ["SystemExit", "CancelledError", "panic"])
@pytest.mark.parametrize("attribute", ["middleware", "on_startup"])
async def test_an_attribute_that_raises_fails_one_module(
    folder: Folder, attribute: str, raised: str
) -> None:
    """A property is code of the module too."""
    broken(folder, ATTRIBUTES[attribute], RAISES[raised])
    async with staged(folder.path) as stage:
        await stage.supervisor.start()
        assert stage.supervisor.states()["bad"].state == "failed"
        await still_works(stage)


@pytest.mark.parametrize("raised", ["SystemExit", "CancelledError", "panic"])
async def test_an_on_shutdown_that_cannot_be_read_stops_nobody_else(
    folder: Folder, raised: str, caplog: pytest.LogCaptureFixture
) -> None:
    broken(folder, ATTRIBUTES["on_shutdown"], RAISES[raised])
    async with staged(folder.path) as stage:
        await stage.supervisor.start()
        await stage.supervisor.stop()
        assert {s.state for s in stage.supervisor.states().values()} == {"stopped"}
    assert "module bad: on_shutdown failed" in caplog.text


@pytest.mark.parametrize("raised", RAISES)
async def test_any_exception_of_on_shutdown_stops_nobody_else(
    folder: Folder, raised: str, caplog: pytest.LogCaptureFixture
) -> None:
    broken(folder, "async def on_shutdown(self, clients):", RAISES[raised])
    async with staged(folder.path) as stage:
        await stage.supervisor.start()
        await stage.supervisor.stop()
        assert {s.state for s in stage.supervisor.states().values()} == {"stopped"}
    assert "module bad: on_shutdown failed" in caplog.text


@pytest.mark.parametrize("raised", ["panic", "GeneratorExit", "CancelledError", "no text"])
async def test_any_exception_of_an_import_fails_one_module(folder: Folder, raised: str) -> None:
    folder.write("bad.py", f"{HEAD}{CLASSES}\n    {RAISES[raised]}\n")
    folder.write("working.py", WORKING)
    async with staged(folder.path) as stage:
        await stage.supervisor.start()
        assert "its import failed" in stage.supervisor.states()["bad"].reason
        await still_works(stage)


SWALLOW = (
    "while not getattr(self, 'released', False):  # by the end of the test",
    "    try:",
    "        await asyncio.Event().wait()",
    "    except asyncio.CancelledError:",
    "        pass",
)


def release(stage: Stage) -> None:
    """End the hook that swallows its cancellation: no task may outlive the test."""
    unit = stage.supervisor._units["bad"]
    unit.found.module.released = True
    assert unit._hooks._task is not None
    unit._hooks._task.cancel()


@pytest.mark.parametrize("place", ["async register", "startup"])
@pytest.mark.parametrize(
    "body", [("await asyncio.Event().wait()",), SWALLOW], ids=["waits", "swallows"]
)
async def test_a_hook_without_an_end_fails_one_module(
    folder: Folder, place: str, body: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it catches its cancellation; the log names it then."""
    monkeypatch.setattr("dskity.modules.lifecycle.hooks.CLEANUP_SECONDS", 0.05)
    broken(folder, PLACES[place], *body)
    async with staged(folder.path) as stage:
        async with asyncio.timeout(5):
            await stage.supervisor.start()
        assert "did not return within 0.2 s" in stage.supervisor.states()["bad"].reason
        await still_works(stage)
        release(stage)


async def test_an_on_shutdown_that_swallows_its_cancellation_is_left(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("dskity.modules.lifecycle.hooks.CLEANUP_SECONDS", 0.05)
    broken(folder, "async def on_shutdown(self, clients):", *SWALLOW)
    async with staged(folder.path) as stage:
        await stage.supervisor.start()
        async with asyncio.timeout(5):
            await stage.supervisor.stop()
        release(stage)
        assert {s.state for s in stage.supervisor.states().values()} == {"stopped"}
    assert "module bad: on_shutdown ignores its cancellation and is abandoned" in caplog.text


@pytest.mark.parametrize("place", ["register", "startup"])
async def test_a_hook_with_a_yield_is_refused(folder: Folder, place: str) -> None:
    """A call would run none of it, in silence."""
    broken(folder, PLACES[place], "yield")
    async with staged(folder.path) as stage:
        await stage.supervisor.start()
        assert "it contains `yield`" in stage.supervisor.states()["bad"].reason


async def test_a_hook_that_cancels_its_task_cancels_nobody_else(folder: Folder) -> None:
    broken(
        folder,
        "async def on_startup(self, clients):",
        "asyncio.current_task().cancel()",
    )
    async with staged(folder.path) as stage:
        await stage.supervisor.start()
        assert stage.supervisor.states()["bad"].state == "started"
        await still_works(stage)


async def test_all_hooks_of_a_module_run_in_one_task(folder: Folder) -> None:
    """What `on_startup` enters, `on_shutdown` may leave."""
    folder.write(
        "bad.py",
        f"""{HEAD}
    class Bad(Module):
        meta = ModuleMeta("bad")

        async def on_startup(self, clients):
            self.task = asyncio.current_task()
            self.group = await asyncio.TaskGroup().__aenter__()

        async def on_shutdown(self, clients):
            await self.group.__aexit__(None, None, None)
            self.left = asyncio.current_task() is self.task
""",
    )
    async with staged(folder.path) as stage:
        await stage.supervisor.start()
        bad = stage.supervisor._units["bad"].found.module
        await stage.supervisor.stop()
        assert bad.left


async def test_hooks_without_an_end_of_several_modules_share_the_time(folder: Folder) -> None:
    """They hold up the end as long as one does."""
    for number in range(5):
        body = "await asyncio.Event().wait()"
        broken(folder, "async def on_shutdown(self, clients):", body)
        text = (folder.path / "bad.py").read_text().replace('"bad"', f'"bad{number}"')
        folder.write(f"bad{number}.py", text)
    (folder.path / "bad.py").unlink()
    async with staged(folder.path) as stage:
        stage.supervisor._limits = HookTimeouts(shutdown=30.0, drain=0.0)
        await stage.supervisor.start()
        stage.supervisor._limits = HookTimeouts(shutdown=0.5, drain=0.0)
        seen: list[float] = []
        for unit in stage.supervisor._units.values():
            stop = unit.stop

            async def timed(drain: float, hook: Callable[[], float], stop: Any = stop) -> None:
                def asked() -> float:
                    seen.append(hook())
                    return seen[-1]

                await stop(drain, asked)

            unit.stop = timed  # type: ignore[method-assign,assignment]
        await stage.supervisor.stop()
    assert max(seen) <= 0.5
    assert seen[2:] == [0.2] * (len(seen) - 2)
