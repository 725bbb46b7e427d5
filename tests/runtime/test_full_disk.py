"""A disk on which nothing can be written is named by readiness, which clears itself."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.process import disk
from dskity.process.disk import EVERY, StateDisk
from dskity.testing import Runtimes, ScriptedBroker, http_client, isolated_settings


def full(folder: Path) -> None:
    """As a write to a full disk ends."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


async def test_a_full_disk_is_named_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the folder and what to do; nothing is left in the folder."""
    clock = VirtualClock()
    state = StateDisk(tmp_path, clock)
    assert await state.check() is None
    with monkeypatch.context() as patched:
        patched.setattr(disk, "_write", full)
        await clock.advance(EVERY)
        reason = await state.check()
        assert reason == (
            f"state_dir ({tmp_path}) cannot be written: No space left on device: free disk space"
        )
    await clock.advance(EVERY)
    assert await state.check() is None
    assert os.listdir(tmp_path) == []  # noqa: PTH208  # one look


async def test_it_is_tried_every_five_seconds_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often strangers ask."""
    clock, tries = VirtualClock(), 0

    def write(_: Path) -> None:
        nonlocal tries
        tries += 1

    monkeypatch.setattr(disk, "_write", write)
    state = StateDisk(tmp_path, clock)
    for _ in range(100):
        await state.check()
        await clock.advance(0.1)
    assert tries == 2


async def test_a_real_device_that_is_full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """/dev/full refuses each write as a full disk does."""

    def made(**_: object) -> tuple[int, str]:
        return os.open("/dev/full", os.O_WRONLY), str(tmp_path / "x")

    monkeypatch.setattr(tempfile, "mkstemp", made)
    (tmp_path / "x").touch()
    reason = await StateDisk(tmp_path, VirtualClock()).check()
    assert reason is not None
    assert "No space left on device" in reason


async def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    reason = await StateDisk(tmp_path / "gone", VirtualClock()).check()
    assert reason is not None
    assert "see that the folder can be written" in reason


async def test_the_readiness_of_a_runtime_asks_it(tmp_path: Path) -> None:
    runtimes = Runtimes(isolated_settings(tmp_path), ScriptedBroker())
    runtime = await runtimes()
    async with http_client(runtime.app) as client:
        ready = (await client.get("/health/ready")).json()
    assert ready["checks"]["disk"] == {"status": "ok", "reason": None}
    await runtimes.close()
