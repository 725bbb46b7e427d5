"""Files of `state_dir` after a crash or a full disk in the middle of writing them."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dskity.bus.base.private import write_private
from dskity.bus.errors import StateUnusable
from dskity.process.running import Running, published
from dskity.process.state_dir import StateDir

FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("left", [b"", b"\n", b"\0" * 22, b"\xff\xfe"], ids=repr)
def test_a_client_id_that_a_crash_left_empty_is_made_again(tmp_path: Path, left: bytes) -> None:
    """Else each start would be refused for good; zeros are what some file systems leave."""
    with StateDir(tmp_path / "state") as state:
        write_private(state.path / "client_id", left, "the client id")
        made = state.client_id()
        assert made.startswith("dskity-")
        assert state.client_id() == made


def test_a_full_disk_leaves_a_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says what to do, and nothing half written stays."""
    path = tmp_path / "file"
    write_private(path, b"before", "the file")

    def full(_: int) -> None:
        raise FULL

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateUnusable, match="No space left on device; free some space"):
        write_private(path, b"after", "the file")
    assert path.read_bytes() == b"before"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_a_kill_at_any_step_leaves_the_old_file_whole_and_the_next_write_works(
    tmp_path: Path, step: str
) -> None:
    """`kill -9` of a process just before it takes the step."""
    path = tmp_path / "file"
    write_private(path, b"before", "the file")
    program = (
        "import io, os, pathlib, sys\n"
        "from dskity.bus.base import private\n"
        "def die(*_): os.kill(os.getpid(), 9)\n"
        "step = sys.argv[2]\n"
        "if step == 'write': private.os.fdopen = die\n"
        "elif step == 'fsync': os.fsync = die\n"
        "else: pathlib.Path.replace = die\n"
        "private.write_private(pathlib.Path(sys.argv[1]), b'after', 'the file')\n"
    )
    died = subprocess.run([sys.executable, "-c", program, str(path), step], check=False)
    assert died.returncode == -9
    assert path.read_bytes() == b"before"
    write_private(path, b"later", "the file")
    assert path.read_bytes() == b"later"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_does_not_keep_a_runtime_from_its_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of the process in it is for people."""

    def full(*_: object) -> int:
        raise FULL

    monkeypatch.setattr(os, "pwrite", full)
    with StateDir(tmp_path / "state") as state:
        assert state.path.is_dir()


async def test_crashes_leave_no_growing_number_of_files(tmp_path: Path) -> None:
    """`runtime.json` is written aside under one name."""
    for _ in range(3):
        (tmp_path / "runtime.json.new").write_bytes(b"half")
        async with published(tmp_path, Running(1)):
            assert os.listdir(tmp_path) == ["runtime.json"]  # noqa: PTH208  # it may not block
